// Measures in a real Chromium what only a browser can show, and prints one table: `npm run figures`, after `make build`.
// Nothing is asserted: a busy machine is not a wrong program. docs/BENCHMARKS.md holds what came out on a quiet one.
import { chromium, test, type Browser, type Page } from "@playwright/test";
import { loadavg } from "node:os";
import { BROWSER_ARGUMENTS, browserPath } from "../scripts/browser.mjs";
import { expectAlive, Person } from "./person.ts";
import { Server } from "./server.ts";

/** Everybody's password in the demo workspace. */
const DEMO_PASSWORD = "northwind tide";
const MANAGER = "maria@northwind.example";
const CREW = "aisha@northwind.example";
/** How often what takes milliseconds is measured. */
const TIMES = 40;
/** Edits from one tab to another: enough for a hundredth to be one. */
const CROSSINGS = 200;
/** Edits that an open tab sees: one every three and a half seconds for an hour. */
const WORKED = 1_000;
/** How often an empty browser gets everything. */
const FIRST_SYNCS = 7;
/** The largest workspace takes its time. */
const WAIT_MS = 120_000;

const LAUNCH = { executablePath: browserPath(), args: [...BROWSER_ARGUMENTS, "--enable-precise-memory-info"] };

/** Tasks in the workspaces that are measured: what a project is, and the most a device is made for. */
const SIZES = [10_000, 100_000];

function tell(what: string, figure: string, budget: string): void {
  console.log(`${what.padEnd(66)} ${figure.padEnd(34)} ${budget}`);
}

function spread(milliseconds: number[]): string {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

async function sit(name: string, email: string, server: Server, browser: Browser, kept: "kept" | "forgotten") {
  const person = await Person.sitDown(name, server, browser, LAUNCH, kept);
  await person.call("sign-in", { email, password: DEMO_PASSWORD });
  return person;
}

function state(page: Page) {
  return page.getByTestId("sync-state");
}

async function untilLive(page: Page): Promise<void> {
  await state(page).filter({ hasText: /^(live|needs you)/ }).waitFor({ timeout: WAIT_MS });
  await page.waitForFunction(() => document.querySelector('[data-testid="sync-state"]')?.textContent?.match(/^(live|needs)/));
}

/** What had arrived when the first click did something, in KiB as browsers count what travelled: each file as packed, and 300 bytes for its headers (Resource Timing). */
async function downloadOf(page: Page, path: string): Promise<string> {
  await page.addInitScript(() => {
    const look = new MutationObserver(() => {
      if (!document.documentElement?.hasAttribute("data-alive")) return;
      look.disconnect();
      performance.mark("alive");
    });
    look.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-alive"] });
  });
  await page.goto(path);
  await expectAlive(page);
  await page.waitForLoadState("load");
  const bytes = await page.evaluate(() => {
    const alive = performance.getEntriesByName("alive")[0]!.startTime;
    const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const before = (loaded as PerformanceResourceTiming[]).filter(({ responseEnd }) => responseEnd <= alive);
    return before.reduce((sum, { transferSize }) => sum + transferSize, 0);
  });
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

async function firstVisit(server: Server, browser: Browser): Promise<void> {
  const stranger = await Person.sitDown("Stranger", server, browser, LAUNCH, "forgotten");
  tell("first visit, the sign-in page until it can be used", await downloadOf(stranger.page, "/sign-in"), "< 350 KiB");
  await stranger.leave();
  const person = await sit("Maria", MANAGER, server, browser, "forgotten");
  tell("first visit, the dashboard until it can be used", await downloadOf(person.page, "/"), "< 350 KiB");
  await person.leave();
}

/** An empty browser gets everything, several times, with nothing between it and the server: the line that people have here would be
 *  one more program on the same processors. The page itself notes when it is alive and when it says that nothing is missing. */
async function firstSync(server: Server, browser: Browser, tasks: number): Promise<void> {
  const times: { usable: number; all: number }[] = [];
  for (let nth = 0; nth < FIRST_SYNCS; nth += 1) {
    const context = await browser.newContext({ baseURL: server.url });
    const signedIn = await context.request.post("/api/sign-in", {
      form: { email: MANAGER, password: DEMO_PASSWORD },
      headers: { accept: "application/json", origin: server.url },
    });
    if (!signedIn.ok()) throw new Error(`nobody is signed in: ${await signedIn.text()}`);
    const page = await context.newPage();
    await page.addInitScript(() => {
      const note = (mark: string) => {
        if (performance.getEntriesByName(mark).length === 0) performance.mark(mark);
      };
      new MutationObserver(() => {
        if (document.documentElement?.hasAttribute("data-alive")) note("alive");
        if (document.querySelector("main")?.textContent.includes("This copy is up to date")) note("up to date");
      }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    });
    await page.goto("/sync", { waitUntil: "commit" });
    const marked = await page.waitForFunction(
      () => {
        const [alive, all] = ["alive", "up to date"].map((mark) => performance.getEntriesByName(mark)[0]?.startTime);
        return alive !== undefined && all !== undefined ? { usable: alive, all } : undefined;
      },
      undefined,
      { polling: 100, timeout: WAIT_MS },
    );
    times.push((await marked.jsonValue())!);
    await context.close();
  }
  const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(0);
  const [all, usable] = [middle(times.map(({ all }) => all)), middle(times.map(({ usable }) => usable))];
  const budget = tasks === 10_000 ? "< 1 s" : "< 6 s, usable after 1 s";
  const records = tasks.toLocaleString("en");
  tell(`first sync of ${records} records into an empty browser, median of ${FIRST_SYNCS}`, `${all} ms, usable after ${usable} ms`, budget);
}

async function openLarge(page: Page): Promise<void> {
  await page.goto("/projects");
  await expectAlive(page);
  await page.getByRole("link", { name: "Meter roll-out" }).first().click();
  await page.getByRole("row").first().waitFor();
  await page.locator('[data-kind="task"]').first().waitFor({ timeout: WAIT_MS });
}

/** From the key until the browser has painted what it changed. */
async function localEdit(person: Person, tasks: number): Promise<void> {
  const row = person.page.locator('[data-kind="task"]').first();
  await row.focus();
  const times = await row.evaluate(async (row, count) => {
    const turn = () =>
      new Promise<number>((done) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(undefined);
      });
    const painted = () => new Promise<number>((done) => requestAnimationFrame(() => turn().then(done)));
    const shown = () => row.querySelector("[data-status]")?.getAttribute("data-status");
    const handled: number[] = [];
    const frames: number[] = [];
    for (let nth = 0; nth < count; nth += 1) {
      await painted();
      const before = shown();
      const from = performance.now();
      row.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true, cancelable: true }));
      while (shown() === before) await turn();
      handled.push(performance.now() - from);
      frames.push((await painted()) - from);
    }
    return { handled, frames };
  }, TIMES);
  const records = tasks.toLocaleString("en");
  tell(`a local edit in the document, ${records} records on the device`, spread(times.handled), "< 16 ms");
  tell(`a local edit painted, ${records} records on the device`, spread(times.frames), "the same frame");
}

/** Edits the first task of one page so often, and says how long each took to be seen in another, to the millisecond: pages share
 *  only the system's clock, each page's finer one begins at a moment of its own. */
async function passOn(here: Page, there: Page, count: number): Promise<number[]> {
  const row = here.locator('[data-kind="task"]').first();
  const id = await row.getAttribute("id");
  await there.locator(`[id="${id}"]`).waitFor();
  const times: number[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    // Looks before the edit is made: handing back the observer takes a turn of the page.
    const look = await there.evaluateHandle((id) => {
      const status = () => document.getElementById(id)?.querySelector("[data-status]")?.getAttribute("data-status");
      const before = status();
      const seen = new Promise<number>((done) => {
        const look = new MutationObserver(() => {
          if (status() === before) return;
          look.disconnect();
          done(Date.now());
        });
        look.observe(document.body, { subtree: true, attributes: true, childList: true });
      });
      return { seen };
    }, id!);
    const from = await row.evaluate((row) => {
      const now = Date.now();
      row.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true, cancelable: true }));
      return now;
    });
    times.push((await look.evaluate(({ seen }) => seen)) - from);
    await look.dispose();
  }
  return times;
}

/** Between two tabs of one browser, by the clock they share. */
async function crossTab(person: Person): Promise<void> {
  const there = await person.newTab(new URL(person.page.url()).pathname);
  await untilLive(there);
  const times = await passOn(person.page, there, CROSSINGS);
  tell("an edit in the other tab of the same browser", spread(times), "< 50 ms");
  await there.close();
}

/** What a page holds after everything it can let go of is gone, KiB: objects, and the memory of WebAssembly. */
async function held(page: Page): Promise<number> {
  const tools = await page.context().newCDPSession(page);
  await tools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await tools.send("Runtime.getHeapUsage");
  await tools.detach();
  const wasm = await page.evaluate(() => (globalThis as { tidemarkMemory?: WebAssembly.Memory }).tidemarkMemory!.buffer.byteLength);
  return (usedSize + wasm) / 1024;
}

/** A tab that stays open while somebody else works. */
async function growth(server: Server, browser: Browser): Promise<void> {
  const [watcher, worker] = [
    await sit("Maria", MANAGER, server, browser, "forgotten"),
    await sit("Aisha", CREW, server, browser, "forgotten"),
  ];
  await watcher.page.addInitScript(() => {
    const instantiate = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (...wanted: Parameters<typeof instantiate>) => {
      const made = await instantiate(...wanted);
      const { memory } = made.instance.exports;
      if (memory instanceof WebAssembly.Memory) Object.assign(globalThis, { tidemarkMemory: memory });
      return made;
    };
  });
  for (const { page } of [watcher, worker]) {
    await openLarge(page);
    await untilLive(page);
  }
  await passOn(worker.page, watcher.page, WORKED / 5);
  const before = await held(watcher.page);
  await passOn(worker.page, watcher.page, WORKED);
  const grown = (await held(watcher.page)) - before;
  const what = `growth of an open tab that saw ${WORKED.toLocaleString("en")} edits of somebody else`;
  tell(what, `${grown.toFixed(0)} KiB over ${before.toFixed(0)}`, "< 1,024 KiB an hour");
  await watcher.leave();
  await worker.leave();
}

/** The browser is started without a network. */
async function coldStart(person: Person, tasks: number): Promise<void> {
  await person.becomeReadyForOffline();
  const address = new URL(person.page.url()).pathname;
  const times: number[] = [];
  for (let nth = 0; nth < 5; nth += 1) {
    await person.closeBrowser();
    await person.openBrowser();
    await person.goOffline();
    await person.page.goto(address);
    await person.page.locator('[data-kind="task"]').first().waitFor({ timeout: WAIT_MS });
    times.push(
      await person.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN),
    );
  }
  tell(`opened offline with ${tasks.toLocaleString("en")} records, first content`, spread(times), "< 500 ms");
  const from = performance.now();
  await person.goOnline();
  await untilLive(person.page);
  tell("live again after the network returned", `${(performance.now() - from).toFixed(0)} ms`, "< 1 s");
}

/** From the click to the conflict's disappearance here, without a network. */
async function settle(server: Server, browser: Browser): Promise<void> {
  const person = await sit("Aisha", CREW, server, browser, "forgotten");
  const { page } = person;
  await person.go("/conflicts");
  await untilLive(page);
  await person.goOffline();
  await page.getByRole("main").getByRole("link").first().click();
  const button = page.getByRole("button", { name: "Use mine", exact: true });
  await button.waitFor();
  const took = await button.evaluate((button: HTMLElement) => {
    const from = performance.now();
    button.click();
    return new Promise<number>((done) => requestAnimationFrame(() => done(performance.now() - from)));
  });
  tell("settling a conflict, click to settled here", `${took.toFixed(1)} ms`, "< 16 ms");
  await person.leave();
}

test("the figures of a browser", async () => {
  const browser = await chromium.launch(LAUNCH);
  console.log(`Chromium ${browser.version()}, load ${loadavg()[0]!.toFixed(2)}`);
  for (const tasks of SIZES) {
    const server = await Server.demo(tasks);
    try {
      if (tasks === SIZES[0]) {
        await firstVisit(server, browser);
        await settle(server, browser);
        await growth(server, browser);
      }
      await firstSync(server, browser, tasks);
      const person = await sit("Maria", MANAGER, server, browser, "kept");
      await person.go("/");
      await untilLive(person.page);
      await openLarge(person.page);
      await localEdit(person, tasks);
      await untilLive(person.page);
      await crossTab(person);
      await coldStart(person, tasks);
      await person.leave();
    } finally {
      await server.remove();
    }
  }
  await browser.close();
  console.log(`load ${loadavg()[0]!.toFixed(2)} at the end`);
});
