#!/usr/bin/env bash
# Builds the product: target/release/tidemark, the server, and target/site, what it gives to browsers.
#
# It does what `cargo leptos build --release --split` does, reading the same metadata's choices, with the tools alone:
# compiling cargo-leptos takes longer than compiling Tidemark, and only `make dev` needs what else it can.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/env.sh

# Exactly what `make unit` compiles, so that nothing is compiled twice: there are no examples, but asking for them makes
# cargo choose the features of dependencies as it does for tests.
cargo build --release --locked --features ssr --bin tidemark --examples
cargo build --profile wasm-release --locked --lib --features hydrate \
  --target wasm32-unknown-unknown --target-dir target/front

# What follows takes minutes, and always gives the same from the same. Beside the site stands what it was made from and what
# it was; `make dev` writes another over it.
digests() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; }
made_of() {
  digests target/front/wasm32-unknown-unknown/wasm-release/tidemark.wasm public style src/app scripts/env.sh \
    scripts/build.sh scripts/site.mjs package-lock.json Cargo.lock
}
made() { digests target/site target/release/hash.txt; }
if [ -d target/site ] && [ "$(made_of; made 2>/dev/null)" = "$(cat target/site.made 2>/dev/null)" ]; then
  echo "  the browser's half: nothing has changed"
  exit 0
fi

# Put together beside the old one and exchanged at the end: a server that is running never serves half of each.
site=target/site.new
rm -rf "$site"
mkdir -p "$site/pkg"
cp -R public/. "$site/"
tailwindcss --input style/main.css --output "$site/pkg/tidemark.css" --minify 2>/dev/null

# The program that starts, the files of src/app/pages.rs, and what several of those need.
parts=target/front/parts
rm -rf "$parts"
wasm-split-cli --out-name tidemark target/front/wasm32-unknown-unknown/wasm-release/tidemark.wasm "$parts" >"$parts.log"
wasm-bindgen --target web --no-typescript --keep-lld-exports --no-demangle --out-dir "$site/pkg" --out-name tidemark \
  "$parts/tidemark.wasm"
mv "$site/pkg/tidemark_bg.wasm" "$parts/tidemark.wasm"
cp "$parts/__wasm_split.js" "$site/pkg/"
# Only what every browser that can run Tidemark has had for years. A browser compiles each function when it is first called, which
# takes a good part of the time until a page can be used, so fewer are better: small ones are written into their callers. What is
# larger packs better written once, and so does what `local-cse` and `memory-packing` leave alone. The device's part is
# fetched when the page can be used, so there the number of functions and their speed count, and no bytes. It warns of names
# of locals, which it drops anyway.
optimise() {
  local how=(-Os --skip-pass=local-cse --skip-pass=memory-packing -aimfs 4 -fimfs 4 -ocimfs 20)
  [ "${1##*/}" != split_device.wasm ] || how=(-O3)
  wasm-opt "${how[@]}" --strip-producers --strip-target-features \
    --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext \
    --enable-mutable-globals --enable-reference-types --enable-multivalue --output "$2/pkg/${1##*/}" "$1" \
    2> >(grep -v '^warning: unknown name subsection' >&2)
}
export -f optimise
printf '%s\0' "$parts"/*.wasm | xargs -0 -P "$(nproc)" -I part bash -c 'optimise part "$0"' "$site"

node scripts/site.mjs "$site" target/release/hash.txt
rm -rf target/site
mv "$site" target/site
{ made_of; made; } >target/site.made
