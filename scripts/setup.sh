#!/usr/bin/env bash
# Installs what building and testing Tidemark need. Usage: scripts/setup.sh [compiler] [packages] [tools] [browser] [watcher]
#
# Each step looks first and says in one line what it found or does, so a second run changes nothing and needs no
# network. The ordinary way is tried first; where its server cannot be reached, Debian's packages stand in.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

# A server that does not answer within this time is treated as out of reach; one that does answers within a second.
probe_timeout_s=20

say() { printf '  setup: %s\n' "$*"; }

fail() {
  printf '  setup: %s\n' "$@" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

apt_works() { command -v apt-get >/dev/null && as_root true 2>/dev/null; }

apt_install() {
  local log
  log=$(mktemp)
  if ! { as_root apt-get update --quiet &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm "$log"
    return 1
  fi
  rm "$log"
}

setup_compiler() {
  if ! command -v cc >/dev/null; then
    apt_works || fail 'a C compiler is needed for SQLite; install gcc or clang and run this again'
    say 'a C compiler, for SQLite: installing gcc'
    apt_install gcc libc6-dev
  fi
  if has_compiler; then
    say "compiler: $(rustc --version | cut -d ' ' -f 1-2), for the server and the browser, is here"
  elif rustup_answers; then
    say "compiler: installing Rust $rust_version for the server and the browser with rustup"
    rustup toolchain install "$rust_version" --no-self-update --profile minimal \
      --component clippy --component rustfmt --target wasm32-unknown-unknown
  elif apt_works; then
    say "compiler: no rustup server within reach, installing Debian's Rust"
    apt_install rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web lld-22 ||
      fail "Debian's Rust cannot be installed either; see above"
    as_root ln -sf /usr/lib/llvm-22/bin/lld /usr/local/bin/rust-lld
    say 'compiler: building the standard library for the browser, about two minutes'
    as_root scripts/browser-std.sh
  else
    fail "Rust $rust_version with the target wasm32-unknown-unknown is needed;" \
      'install rustup (see rust-lang.org) and run this again'
  fi
  source scripts/env.sh
}

has_compiler() { compiles_for_browser rustc && cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1; }

# `rustup check` asks the server for the newest versions: 0 is "up to date", 100 "there is something newer".
rustup_answers() {
  command -v rustup >/dev/null || return 1
  local code=0
  env -u RUSTUP_TOOLCHAIN timeout "$probe_timeout_s" rustup check >/dev/null 2>&1 || code=$?
  [ "$code" = 0 ] || [ "$code" = 100 ]
}

setup_packages() {
  if ! command -v npm >/dev/null; then
    apt_works || fail 'Node.js 20 or newer with npm is needed; install it and run this again'
    say 'Node.js, for the style sheet, wasm-opt and the browser tests: installing'
    apt_install nodejs npm
  fi
  if cmp --silent package-lock.json node_modules/.installed-lock.json; then
    say 'packages: Tailwind, wasm-opt and Playwright are here'
  else
    say 'packages: installing Tailwind, wasm-opt and Playwright with npm'
    npm ci --silent --no-audit --no-fund
    cp package-lock.json node_modules/.installed-lock.json
  fi
}

setup_tools() {
  # Without --locked: only the version of the command itself matters, and its lock file ages badly.
  setup_tool wasm-bindgen-cli "$wasm_bindgen_version" "wasm-bindgen --version"
  setup_tool wasm_split_cli_support "$wasm_split_version" splitter_version --features build-binary
}

# The splitter does not say which version it is, but it lies in a folder with that name.
splitter_version() {
  local found
  found=$(command -v wasm-split-cli) && basename "${found%/bin/*}" | sed 's/-/ /'
}

# Only `make dev` needs it; compiling it takes longer than compiling Tidemark.
setup_watcher() {
  setup_tool cargo-leptos "$cargo_leptos_version" "cargo leptos --version" --locked --features no_downloads
}

# A tool that runs for seconds is compiled fast, not into fast code: a fifth of the time.
setup_tool() { # name, version, how to ask for it, arguments of cargo install
  local name=$1 version=$2 ask=$3
  shift 3
  if [ "$($ask 2>/dev/null | awk '{ print $2 }')" = "$version" ]; then
    say "tools: $name $version is here"
    return
  fi
  say "tools: compiling $name $version, some minutes"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_TARGET_DIR=$PWD/target/tools \
    cargo install --quiet "$name" --version "$version" --root "$tools_folder/$name-$version" "$@"
  rm -rf target/tools
}

setup_browser() {
  if found=$(node scripts/browser.mjs); then
    say "browser: $found is here"
    return
  fi
  say 'browser: installing the one that belongs to Playwright'
  if PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT=$((probe_timeout_s * 1000)) playwright install chromium >/dev/null 2>&1 &&
    node scripts/browser.mjs >/dev/null; then
    if apt_works; then as_root env "PATH=$PATH" playwright install-deps chromium >/dev/null; fi
    return
  fi
  apt_works || fail 'Chromium is needed for the browser tests; install it and run this again'
  say "browser: its server is out of reach, installing Debian's Chromium"
  apt_install chromium fonts-liberation fonts-noto-color-emoji
}

for step in "$@"; do
  case $step in
    compiler | packages | tools | browser | watcher) "setup_$step" ;;
    *) fail "there is no step called $step" ;;
  esac
done
