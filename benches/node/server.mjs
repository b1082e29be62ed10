// A bare server in Node, for `tidemark bench --beside 'node benches/node/server.mjs'` to compare with: as
// `src/server/bench/bare.rs`, whoever connects is believed, and each op is written over the last one for its record and
// into a log, in one transaction for all that wait, before anybody is answered or told. Nothing is checked, merged or
// ever read back.
import { WebSocketServer } from "ws";
import Database from "better-sqlite3";
import { Packr } from "msgpackr";
import { createServer } from "node:http";
import { join } from "node:path";

const folder = process.argv[process.argv.indexOf("--data") + 1];
const db = new Database(join(folder, "bare.db"));
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec("CREATE TABLE record (id BLOB PRIMARY KEY, seq INTEGER NOT NULL, op BLOB NOT NULL) WITHOUT ROWID");
db.exec("CREATE TABLE log (seq INTEGER PRIMARY KEY, op BLOB NOT NULL)");
const put = db.prepare(
  "INSERT INTO record (id, seq, op) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, op = excluded.op",
);
const log = db.prepare("INSERT INTO log (seq, op) VALUES (?, ?)");
const begin = db.prepare("BEGIN IMMEDIATE");
const commit = db.prepare("COMMIT");

const packer = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
// A hello names scopes by bytes, which are no name of a property.
const mapper = new Packr({ useRecords: false, mapsAsObjects: false });
const HELLO = Buffer.from([0x81, 0xa1, "h".charCodeAt(0)]);
const NIL = Buffer.alloc(16);
const followers = [];
let waiting = [];
let head = 0;

/** Writes what waits, all of it at once; then answers, then tells whoever follows. */
function write() {
  const batch = waiting;
  waiting = [];
  begin.run();
  for (const one of batch) {
    one.decoded = one.push.o.map((bytes) => {
      const op = packer.unpack(bytes);
      head += 1;
      put.run(op.r, head, bytes);
      log.run(head, bytes);
      return [head, op];
    });
  }
  commit.run();
  for (const { socket, push, decoded } of batch) {
    const receipts = decoded.map(([seq, op]) => ({ i: op.i, o: "a", c: "p", s: seq, m: op.m }));
    socket.send(packer.pack({ p: { b: push.b, e: 1, r: receipts } }));
    if (followers.length > 0) tell(decoded);
  }
}

/** Tells everybody who follows a scope, because there is no more than one. */
function tell(decoded) {
  const { scope } = followers[0];
  const entries = decoded.map(([seq, op]) => {
    const fields = {};
    const changes = op.x.s?.c ?? {};
    for (const name of Object.keys(changes)) fields[name] = changes[name].n;
    return { s: seq, p: scope, k: op.k, r: op.r, x: { p: fields }, d: op.d, o: op.i, m: op.m };
  });
  const message = packer.pack({ f: { p: scope, f: entries[0].s - 1, t: entries.at(-1).s, e: entries } });
  for (const follower of followers) follower.socket.send(message);
}

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  request.socket.setNoDelay(true);
  socket.on("message", (bytes) => {
    if (bytes.subarray(0, 3).equals(HELLO)) {
      const hello = mapper.unpack(bytes).get("h");
      for (const scope of hello.get("t").keys()) followers.push({ scope, socket });
      const [p, v] = [hello.get("p"), hello.get("v")];
      socket.send(packer.pack({ w: { p, v, w: NIL, m: NIL, e: 1, h: 0, o: 0, n: 0, s: [] } }));
      return;
    }
    const message = packer.unpack(bytes);
    if (message.p) {
      if (waiting.length === 0) setImmediate(write);
      waiting.push({ socket, push: message.p });
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(`Ready at http://127.0.0.1:${server.address().port}`));
