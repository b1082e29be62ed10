// The line between one person and the server: a proxy of their browser's own. It can be cut, which ends every connection at
// once, the page's, the socket's and the service worker's alike, or refuse WebSockets or swallow them, as some offices' proxies do.
import { connect, type Socket } from "node:net";
import { createServer, request, type IncomingMessage, type Server as Proxy, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

type State = "open" | "cut" | "without-sockets" | "swallows-sockets";

export class Line {
  private state: State = "open";
  private readonly connections = new Set<Duplex>();
  /** Those of them that are WebSockets. */
  private readonly tunnels = new Set<Duplex>();
  /** What this line answers by itself: the status, by path. */
  private readonly answers = new Map<string, number>();
  /** How often each path was asked for. */
  private readonly counts = new Map<string, number>();

  private constructor(
    private readonly proxy: Proxy,
    private readonly serverPort: number,
  ) {}

  static async to(serverPort: number): Promise<Line> {
    const proxy = createServer();
    const line = new Line(proxy, serverPort);
    proxy.on("connection", (socket: Socket) => line.keep(socket));
    proxy.on("request", (asked, answer) => line.pass(asked, answer));
    // Browsers ask a proxy for a tunnel when they open a WebSocket.
    proxy.on("connect", (asked, socket: Socket, head) => line.tunnel(asked, socket, head));
    proxy.listen(0, "127.0.0.1");
    await new Promise((done) => proxy.once("listening", done));
    return line;
  }

  /** As the browser's settings want it. `<-loopback>` makes it go through the proxy even to this machine. */
  get settings(): { server: string; bypass: string } {
    const address = this.proxy.address();
    if (address === null || typeof address === "string") throw new Error("the line has no port");
    return { server: `http://127.0.0.1:${address.port}`, bypass: "<-loopback>" };
  }

  cut(): void {
    this.turn("cut");
  }

  open(): void {
    this.turn("open");
  }

  refuseSockets(): void {
    this.turn("without-sockets");
  }

  /** WebSockets are neither let through nor refused: nothing answers them at all. */
  swallowSockets(): void {
    this.turn("swallows-sockets");
  }

  /** Requests for this path are answered with this status from now on and reach no server, as gateways do; `undefined` lets them pass. */
  answerItself(path: string, status: number | undefined): void {
    if (status === undefined) this.answers.delete(path);
    else this.answers.set(path, status);
  }

  /** How often this path was asked for, by whatever part of the browser. */
  asked(path: string): number {
    return this.counts.get(path) ?? 0;
  }

  async remove(): Promise<void> {
    this.turn("cut");
    await new Promise((done) => this.proxy.close(done));
  }

  private turn(state: State): void {
    this.state = state;
    // Whoever has something against WebSockets lets everything else pass, also what is on its way.
    const onlySockets = state === "without-sockets" || state === "swallows-sockets";
    for (const connection of onlySockets ? this.tunnels : this.connections) connection.destroy();
  }

  private keep(connection: Duplex): void {
    this.connections.add(connection);
    // An error is always followed by a close, and a broken connection is what these tests are about.
    connection.on("error", () => connection.destroy());
    connection.on("close", () => this.connections.delete(connection));
    if (this.state === "cut") connection.destroy();
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const target = new URL(asked.url ?? "/", "http://127.0.0.1");
    this.counts.set(target.pathname, this.asked(target.pathname) + 1);
    const itself = this.answers.get(target.pathname);
    if (itself !== undefined) {
      asked.resume();
      answer.writeHead(itself, { "Content-Type": "text/plain" }).end("not now");
      return;
    }
    const onward = request({
      host: "127.0.0.1",
      port: this.serverPort,
      method: asked.method,
      path: target.pathname + target.search,
      headers: asked.headers,
    });
    onward.on("error", () => asked.socket.destroy());
    onward.on("response", (given) => {
      answer.writeHead(given.statusCode ?? 502, given.rawHeaders);
      given.on("error", () => answer.destroy());
      given.pipe(answer);
    });
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  }

  private tunnel(_asked: IncomingMessage, near: Socket, head: Buffer): void {
    if (this.state === "without-sockets") {
      near.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    if (this.state === "swallows-sockets") return;
    const far = connect(this.serverPort, "127.0.0.1");
    this.keep(far);
    this.tunnels.add(far);
    far.on("close", () => {
      this.tunnels.delete(far);
      near.destroy();
    });
    near.on("close", () => far.destroy());
    far.once("connect", () => {
      near.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      far.write(head);
      far.pipe(near);
      near.pipe(far);
    });
  }
}
