/* SPDX-License-Identifier: ISC */
/* protocol.h - the numbers and letters of the milter protocol, versions 2 to 6
 *
 * There is no RFC: the protocol is what Sendmail 8.14's libmilter speaks. */
#ifndef MILTER_PROTOCOL_H
#define MILTER_PROTOCOL_H

enum milter_version { MILTER_VERSION_LEAST = 2, MILTER_VERSION_MOST = 6 };

/* What the MTA says. */
enum milter_command {
	MILTER_ABORT     = 'A',	/* the message is off, the session goes on */
	MILTER_BODY      = 'B',
	MILTER_CONNECT   = 'C',
	MILTER_MACRO     = 'D',
	MILTER_EOM       = 'E',
	MILTER_HELO      = 'H',
	MILTER_QUIT_NC   = 'K',	/* the session is over, another follows (version 6) */
	MILTER_HEADER    = 'L',
	MILTER_MAIL      = 'M',
	MILTER_EOH       = 'N',
	MILTER_NEGOTIATE = 'O',
	MILTER_QUIT      = 'Q',
	MILTER_RCPT      = 'R',
	MILTER_DATA      = 'T',	/* version 4 */
	MILTER_UNKNOWN   = 'U',	/* version 3 */
};

/* What the milter answers. */
enum milter_reply_kind {
	MILTER_ADD_RCPT     = '+',
	MILTER_DELETE_RCPT  = '-',
	MILTER_ADD_RCPT_PAR = '2',
	MILTER_SHUTDOWN     = '4',
	MILTER_ACCEPT       = 'a',
	MILTER_REPLACE_BODY = 'b',
	MILTER_CONTINUE     = 'c',
	MILTER_DISCARD      = 'd',
	MILTER_CHANGE_FROM  = 'e',
	MILTER_CONN_FAIL    = 'f',
	MILTER_ADD_HEADER   = 'h',
	MILTER_INSERT_HEADER = 'i',
	MILTER_SET_MACROS   = 'l',
	MILTER_CHANGE_HEADER = 'm',
	MILTER_PROGRESS     = 'p',
	MILTER_QUARANTINE   = 'q',
	MILTER_REJECT       = 'r',
	MILTER_SKIP         = 's',
	MILTER_TEMPFAIL     = 't',
	MILTER_REPLY_CODE   = 'y',
};

/* What a milter may ask for, negotiated. */
enum milter_action {
	MILTER_MAY_ADD_HEADERS    = 1 << 0,
	MILTER_MAY_CHANGE_BODY    = 1 << 1,
	MILTER_MAY_ADD_RCPT       = 1 << 2,
	MILTER_MAY_DELETE_RCPT    = 1 << 3,
	MILTER_MAY_CHANGE_HEADERS = 1 << 4,
	MILTER_MAY_QUARANTINE     = 1 << 5,
	MILTER_MAY_CHANGE_FROM    = 1 << 6,
	MILTER_MAY_ADD_RCPT_PAR   = 1 << 7,
	MILTER_MAY_SET_MACROS     = 1 << 8,
	MILTER_ACTIONS            = (1 << 9) - 1,
};

/* What is not to be sent, or will not be answered, negotiated. */
enum milter_step {
	MILTER_NO_CONNECT = 1 << 0,
	MILTER_NO_HELO    = 1 << 1,
	MILTER_NO_MAIL    = 1 << 2,
	MILTER_NO_RCPT    = 1 << 3,
	MILTER_NO_BODY    = 1 << 4,
	MILTER_NO_HEADERS = 1 << 5,
	MILTER_NO_EOH     = 1 << 6,
	MILTER_NR_HEADER  = 1 << 7,
	MILTER_NO_UNKNOWN = 1 << 8,
	MILTER_NO_DATA    = 1 << 9,
	MILTER_CAN_SKIP   = 1 << 10,	/* we understand MILTER_SKIP */
	MILTER_RCPT_REJ   = 1 << 11,	/* it wants to hear of recipients that we refused */
	MILTER_NR_CONNECT = 1 << 12,
	MILTER_NR_HELO    = 1 << 13,
	MILTER_NR_MAIL    = 1 << 14,
	MILTER_NR_RCPT    = 1 << 15,
	MILTER_NR_DATA    = 1 << 16,
	MILTER_NR_UNKNOWN = 1 << 17,
	MILTER_NR_EOH     = 1 << 18,
	MILTER_NR_BODY    = 1 << 19,
	MILTER_LEADING_SPACE = 1 << 20,	/* header values keep the blank behind the colon */
	MILTER_NO_ALL     = 0x37f,	/* all that say "do not send" */
	MILTER_STEPS_2    = 0x7f,	/* what each version can say */
	MILTER_STEPS_3    = MILTER_STEPS_2 | MILTER_NO_UNKNOWN,
	MILTER_STEPS_4    = MILTER_STEPS_3 | MILTER_NO_DATA,
	MILTER_STEPS_6    = (1 << 21) - 1,
};

/* Whose macros a list names; the order of MILTER_SET_MACROS and of lists in a negotiation. */
enum milter_stage {
	MILTER_AT_CONNECT,
	MILTER_AT_HELO,
	MILTER_AT_MAIL,
	MILTER_AT_RCPT,
	MILTER_AT_DATA,
	MILTER_AT_EOM,
	MILTER_AT_EOH,
	MILTER_STAGES_NEGOTIATED,
	MILTER_AT_UNKNOWN = MILTER_STAGES_NEGOTIATED,
	MILTER_STAGES,
};

enum {
	MILTER_DATA_MAX = 65535,	/* what every libmilter takes behind the command letter */
	MILTER_CHUNK_MAX = 65535,	/* body bytes in a packet */
};

#endif
