# Shared by the scripts: says what it does, checks before it installs.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need_apt COMMAND PACKAGE: installs the package when the command is missing.
need_apt() {
    command -v "$1" >/dev/null && return
    say "installing $2 (apt), for the command $1"
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    if [ -z "${TIDEGATE_APT_UPDATED:-}" ]; then
        $sudo apt-get update -qq || fail "apt-get update failed; install $2 yourself and run this again"
        export TIDEGATE_APT_UPDATED=1
    fi
    $sudo apt-get install -y -qq --no-install-recommends "$2" >/dev/null ||
        fail "cannot install $2; install it yourself and run this again"
}

need_rust() {
    command -v cargo >/dev/null || fail "cargo is missing: install Rust with rustup, then run this again"
    need_apt cc gcc
    need_apt make make
}
