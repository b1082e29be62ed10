// The line between one person and the server: a port of their own that passes bytes on. It can be cut, which ends every
// connection at once, the page's, the socket's and the service worker's alike, or refuse WebSockets, as some proxies do.
import { connect, createServer, type Server as Listener, type Socket } from "node:net";

type State = "open" | "cut" | "without-sockets";

export class Line {
  private state: State = "open";
  private readonly connections = new Set<Socket>();

  private constructor(
    private readonly listener: Listener,
    private readonly serverPort: number,
  ) {}

  static async to(serverPort: number): Promise<Line> {
    const listener = createServer();
    const line = new Line(listener, serverPort);
    listener.on("connection", (near) => line.carry(near));
    listener.listen(0, "127.0.0.1");
    await new Promise((done) => listener.once("listening", done));
    return line;
  }

  get url(): string {
    const address = this.listener.address();
    if (address === null || typeof address === "string") throw new Error("the line has no port");
    return `http://127.0.0.1:${address.port}`;
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

  async remove(): Promise<void> {
    this.turn("cut");
    await new Promise((done) => this.listener.close(done));
  }

  private turn(state: State): void {
    this.state = state;
    for (const connection of this.connections) connection.destroy();
  }

  private carry(near: Socket): void {
    if (this.state === "cut") {
      near.destroy();
      return;
    }
    const far = connect(this.serverPort, "127.0.0.1");
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.connections.add(end);
      end.on("error", () => other.destroy());
      end.on("close", () => {
        this.connections.delete(end);
        other.destroy();
      });
    }
    near.on("data", (bytes) => {
      if (this.state === "without-sockets" && /^upgrade: *websocket/im.test(bytes.toString("latin1"))) {
        near.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      } else if (!far.destroyed) {
        far.write(bytes);
      }
    });
    far.pipe(near);
  }
}
