// The built server, as a person would start it: on a free loopback port, with a folder of its own, ended by its process id.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "@playwright/test";

const ROOT = resolve(import.meta.dirname, "..");
const PROGRAM = join(ROOT, "target/release/tidemark");

/** The largest demo workspace is made before the server is ready. */
const START_MS_MAX = 120_000;

/** A server with its data, which outlives restarts and goes with `remove`. */
export class Server {
  private process: ChildProcess | undefined;
  private site = join(ROOT, "target/site");
  /** Everything the server wrote, for the report of a failed test. */
  log = "";

  private constructor(
    readonly port: number,
    readonly folder: string,
    private readonly command: string[],
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(): Promise<Server> {
    return Server.run(["serve"]);
  }

  /** With the demo workspace in it, and a project of this many tasks. */
  static async demo(tasks: number): Promise<Server> {
    return Server.run(["demo", "--tasks", String(tasks)]);
  }

  private static async run(command: string[]): Promise<Server> {
    const server = new Server(await freePort(), await mkdtemp(join(tmpdir(), "tidemark-e2e-")), command);
    await server.start();
    return server;
  }

  /** Starts it and waits until it is ready; after `stop` or `kill`, on the same port with the same data. */
  async start(): Promise<void> {
    const address = `127.0.0.1:${this.port}`;
    const child = spawn(PROGRAM, [...this.command, "--listen", address, "--data", this.folder, "--site", this.site], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.on("data", (text) => (this.log += text));
    child.stderr.on("data", (text) => (this.log += text));
    this.process = child;
    await expect
      .poll(async () => (child.exitCode === null ? await this.readiness() : `ended: ${this.log}`), { timeout: START_MS_MAX })
      .toBe("ready");
  }

  /** Restarts with a copy of the built pages, which `changeSite` may change. */
  async serveCopyOfSite(): Promise<void> {
    const copy = join(this.folder, "site");
    await cp(this.site, copy, { recursive: true });
    this.site = copy;
    await this.stop();
    await this.start();
  }

  /** Restarts as a newer build, for all that a browser can see. */
  async changeSite(): Promise<void> {
    await appendFile(join(this.site, "favicon.svg"), "\n");
    await this.stop();
    await this.start();
  }

  /** Asks it to end, as a service manager does, and waits until it has. */
  async stop(): Promise<void> {
    await this.end("SIGTERM");
  }

  /** Ends it between two instructions, as a power cut does. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** Writes a backup, while it runs, and returns its file. */
  async backUp(): Promise<string> {
    const file = join(this.folder, "backup.db");
    await command(["backup", "--data", this.folder, file]);
    return file;
  }

  /** Stops it, puts a backup in the database's place, and starts it again. */
  async goBackTo(backup: string): Promise<void> {
    await this.stop();
    await command(["restore", "--data", this.folder, backup]);
    await this.start();
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  private async readiness(): Promise<string> {
    try {
      const answer = await fetch(`${this.url}/health/ready`);
      return answer.ok ? "ready" : `answers ${answer.status}`;
    } catch {
      return "silent";
    }
  }
}

/** Runs a command of the program to its end. */
async function command(words: string[]): Promise<void> {
  await promisify(execFile)(PROGRAM, words, { cwd: ROOT });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => probe.once("listening", done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
