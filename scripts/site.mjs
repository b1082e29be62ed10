// Finishes a built site: puts a hash of its content into the name of every file of pkg/ that Leptos links to, so that
// browsers may keep it for ever, writes down those hashes for the server, and compresses what is worth it, once and well.
// Usage: node scripts/site.mjs <site folder> <file for the hashes>
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const [site, hashFile] = process.argv.slice(2);
const WORTH_COMPRESSING = /\.(js|wasm|css|svg|html|json|webmanifest)$/;

const hashOf = (path) => createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);

const script = join(site, "pkg", "tidemark.js");
// wasm-bindgen names its own output; Leptos passes the address in, so this default is never fetched.
writeFileSync(script, readFileSync(script, "utf8").replaceAll("tidemark_bg.wasm", "tidemark.wasm"));

const lines = ["js", "wasm", "css"].map((kind) => {
  const path = join(site, "pkg", `tidemark.${kind}`);
  const hash = hashOf(path);
  renameSync(path, join(site, "pkg", `tidemark.${hash}.${kind}`));
  return `${kind}: ${hash}\n`;
});
writeFileSync(hashFile, lines.join(""));

for (const name of readdirSync(site, { recursive: true })) {
  const path = join(site, name);
  // The server lists the folder of snippets for the service worker, and they are a few lines each.
  if (!statSync(path).isFile() || !WORTH_COMPRESSING.test(path) || name.includes("snippets")) continue;
  const bytes = readFileSync(path);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  const compressed = brotliCompressSync(bytes, { params });
  if (compressed.length < bytes.length) writeFileSync(`${path}.br`, compressed);
  if (/\.wasm$/.test(path)) {
    const kib = (count) => Math.ceil(count / 1024);
    console.log(`  the browser's half: ${kib(bytes.length)} KiB, ${kib(compressed.length)} KiB compressed`);
  }
}
