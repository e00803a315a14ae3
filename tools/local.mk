# SPDX-License-Identifier: ISC
include tools/postern.mk
include tools/conf.mk
include tools/queue.mk
include tools/sendmail.mk
