# SPDX-License-Identifier: ISC
# setup.sh - what quickstart and runtests share: Debian packages, and the build.

BUILD_PACKAGES="autoconf automake gcc make pkg-config libc6-dev linux-libc-dev libssl-dev libunbound-dev
	libdb5.3-dev libpcre2-dev libidn2-dev libseccomp-dev libcap-dev libcrypt-dev zlib1g-dev libmilter-dev libpsl-dev publicsuffix
	libexpat1-dev libcmocka-dev openssl python3 dns-root-data ca-certificates"
TEST_PACKAGES="curl mandoc swaks libnet-ssleay-perl procps isync mutt valgrind iproute2 python3-cryptography
	python3-milter python3-dkim opendkim opendkim-tools opendmarc rspamd libxml2-utils"

PEER_PACKAGES="postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd \
	libopendkim-dev python3-nacl python3-authres python3-dnspython"

# install_packages [test|peers] - install what is missing, as root or through sudo; say what is done.
install_packages()
{
	case ${1:-build} in
	build) wanted=$BUILD_PACKAGES ;;
	test) wanted="$BUILD_PACKAGES $TEST_PACKAGES" ;;
	peers) wanted=$PEER_PACKAGES ;;
	esac
	missing=
	for p in $wanted; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root=sudo
	else
		echo "These Debian packages are missing, and there is neither root nor sudo to install them:" >&2
		echo "   apt-get install$missing" >&2
		exit 1
	fi
	echo "==> Installing Debian packages:$missing"
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# RUNLEVEL=1: what comes with a daemon does not start it (invoke-rc.d).
	$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
		$missing >/dev/null
	packages_changed=yes
}

# build_in FOLDER [configure options] - configure once, then make; prints a dot for each file compiled.
build_in()
{
	folder=$1
	shift
	mkdir -p "$folder"
	if [ ! -x configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]; then
		echo "==> Making ./configure"
		./autogen >"$folder/autogen.log" 2>&1 || { cat "$folder/autogen.log"; exit 1; }
	fi
	if [ ! -f "$folder/Makefile" ] || [ configure -nt "$folder/config.status" ] ||
		[ -n "${packages_changed:-}" ]; then	# what configure looks for may be there now
		echo "==> Configuring in $folder"
		(cd "$folder" && ../configure -q "$@") || exit 1
	fi
	printf '==> Building in %s ' "$folder"
	if ! (make -C "$folder" -j"$(nproc)" stage 2>&1; echo "make ended: $?") | tee "$folder/make.log" |
		awk '/^  (CC|CCLD|AR)/ { printf "."; fflush() } /^make ended: / { status = $3 }
			END { print ""; exit status }'; then
		grep -E 'error|warning|\*\*\*' "$folder/make.log" | head -20
		echo "The build failed: see $folder/make.log" >&2
		exit 1
	fi
}
