// Somebody at a browser of their own, on a line of their own.
import { chromium, expect, type Browser, type BrowserContext, type LaunchOptions, type Page } from "@playwright/test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Line } from "./line.ts";
import type { Server } from "./server.ts";

/** What Chromium itself writes to the console when a network is gone; no page can prevent it. */
const NETWORK_IS_GONE =
  /net::ERR_|WebSocket connection to .* failed|Failed to load resource|bad HTTP response code \(\d+\) was received when fetching/;
/** What a browser writes by itself when a request was refused for who asked. */
const REFUSED = /^Failed to load resource: the server responded with a status of 40[13] /;
/** What Tidemark warns of when something it stored, or wanted to, did not go as it should. It goes on, so nobody would notice. */
const STORAGE_FAILED = /^tidemark-(base|outbox)-|^(Storage|Stored|Checksum|Unreadable)\b/;

/** Long enough for any rule about passwords, and the same for everybody. */
export const PASSWORD = "correct horse battery staple";

/** Whether the browser's profile outlives the browser. */
export type Profile = "forgotten" | "kept";

export class Person {
  /** What went wrong in any page of theirs; a test fails on any. */
  readonly faults: string[] = [];
  private networkMayFail = false;
  private refusalsMayCome = false;
  private storageMayFail = false;
  private context!: BrowserContext;
  private folder: string | undefined;
  page!: Page;

  private constructor(
    readonly name: string,
    private readonly url: string,
    private readonly line: Line,
    private readonly browser: Browser,
    private readonly launch: LaunchOptions,
  ) {}

  static async sitDown(
    name: string,
    server: Server,
    browser: Browser,
    launch: LaunchOptions,
    profile: Profile,
  ): Promise<Person> {
    const person = new Person(name, server.url, await Line.to(server.port), browser, launch);
    if (profile === "kept") person.folder = await mkdtemp(join(tmpdir(), "tidemark-profile-"));
    await person.openBrowser();
    return person;
  }

  get email(): string {
    return `${this.name.toLowerCase()}@example.com`;
  }

  /** Opens the browser; with a kept profile everything is as it was left. */
  async openBrowser(): Promise<void> {
    const settings = { baseURL: this.url, proxy: this.line.settings, locale: "en-GB", timezoneId: "Europe/Oslo" };
    this.context =
      this.folder === undefined
        ? await this.browser.newContext(settings)
        : await chromium.launchPersistentContext(this.folder, { ...this.launch, ...settings });
    this.context.on("weberror", (error) => this.faults.push(`${this.name}: ${error.error().stack}`));
    this.context.on("console", (message) => {
      const [sort, text] = [message.type(), message.text()];
      const passing = (this.networkMayFail && NETWORK_IS_GONE.test(text)) || (this.refusalsMayCome && REFUSED.test(text));
      const excused = sort !== "error" || passing;
      if (excused && (this.storageMayFail || !STORAGE_FAILED.test(text))) return;
      const where = [message.page()?.url(), message.location().url].join(", ");
      this.faults.push(`${this.name} at ${where}: ${text}`);
    });
    this.page = this.context.pages()[0] ?? (await this.context.newPage());
  }

  async closeBrowser(): Promise<void> {
    await this.context.close();
  }

  async newTab(path: string): Promise<Page> {
    const tab = await this.context.newPage();
    await tab.goto(path);
    await expectAlive(tab);
    return tab;
  }

  /** Opens an address and waits until the application has taken over the page. */
  async go(path: string): Promise<void> {
    await this.page.goto(path);
    await expectAlive(this.page);
  }

  /** Opens an address where nothing is; that the server says so, the browser itself writes to the console. */
  async goNowhere(path: string): Promise<void> {
    const mayFail = this.networkMayFail;
    this.networkMayFail = true;
    await this.go(path);
    this.networkMayFail = mayFail;
  }

  /** Ends a tab's process, as a browser short of memory does. Nothing of the page runs any more, not even its goodbyes. */
  async crash(tab: Page): Promise<void> {
    const crashed = tab.waitForEvent("crash");
    // The navigation never ends, because what it would show does not live.
    tab.goto("chrome://crash").catch(() => undefined);
    await crashed;
  }

  /** Stops a tab without ending it, as browsers do to tabs nobody looks at: it holds its locks and runs no code. */
  async freeze(tab: Page): Promise<void> {
    await this.setLifecycle(tab, "frozen");
  }

  /** Lets it run again. */
  async thaw(tab: Page): Promise<void> {
    await this.setLifecycle(tab, "active");
  }

  private async setLifecycle(tab: Page, state: "frozen" | "active"): Promise<void> {
    const tools = await this.context.newCDPSession(tab);
    await tools.send("Page.setWebLifecycleState", { state });
    await tools.detach();
  }

  /** The browser finds that there is a network again, and lets the service worker do what it was asked to do then. */
  async wakeServiceWorker(tag: string): Promise<void> {
    const blank = await this.context.newPage();
    const tools = await this.context.newCDPSession(blank);
    const origin = this.url;
    const registration = new Promise<string>((found) => {
      tools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const ours = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(origin) && !isDeleted);
        if (ours !== undefined) found(ours.registrationId);
      });
    });
    await tools.send("ServiceWorker.enable");
    await tools.send("ServiceWorker.dispatchSyncEvent", {
      origin,
      registrationId: await registration,
      tag,
      lastChance: false,
    });
    await blank.close();
  }

  /** What keeps the browser from offering to install the application; nothing if it would. */
  async installFaults(): Promise<string[]> {
    const tools = await this.context.newCDPSession(this.page);
    const { errors } = await tools.send("Page.getAppManifest");
    const { installabilityErrors } = await tools.send("Page.getInstallabilityErrors");
    await tools.detach();
    return [...errors.map(({ message }) => message), ...installabilityErrors.map(({ errorId }) => errorId)];
  }

  /** The browser has no room for a database from the next page on, as in some private windows. */
  async refuseStorage(): Promise<void> {
    this.storageMayFail = true;
    await this.context.addInitScript(() => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("no databases here", "InvalidStateError");
      };
    });
  }

  /** Databases are neither opened nor refused from the next page on: a known fault of several engines. */
  async silenceStorage(): Promise<void> {
    this.storageMayFail = true;
    await this.context.addInitScript(() => {
      const open = IDBFactory.prototype.open;
      IDBFactory.prototype.open = function (...asked) {
        const opening = open.apply(this, asked);
        // First of all listeners, and the last.
        opening.addEventListener("success", (event) => {
          event.stopImmediatePropagation();
          opening.result.close();
        });
        return opening;
      };
    });
  }

  /** From now on nothing this tab asks its databases is ever answered, as where the disk hangs; its clock is the test's. */
  async stallStorage(): Promise<void> {
    this.storageMayFail = true;
    await this.page.clock.install();
    await this.page.evaluate(() => {
      const get = IDBObjectStore.prototype.get;
      IDBObjectStore.prototype.get = function (...asked) {
        const request = get.apply(this, asked);
        request.addEventListener("success", (event) => event.stopImmediatePropagation());
        return request;
      };
    });
  }

  /** From now on nothing more can be stored in this tab. */
  async losesStorage(tab: Page): Promise<void> {
    this.storageMayFail = true;
    await tab.evaluate(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException("the disk is full", "QuotaExceededError");
      };
    });
  }

  /** The outbox's database goes while a tab is open on it, as when a person clears what a site has stored. */
  async clearOutbox(): Promise<void> {
    this.storageMayFail = true;
    await removeDatabases(this.page, "tidemark-outbox-");
  }

  /** There is no small storage from the next page on: asking for it throws, as where cookies are forbidden. */
  async refuseSmallStorage(): Promise<void> {
    await this.context.addInitScript(() => {
      Object.defineProperty(window, "localStorage", {
        get() {
          throw new DOMException("not here", "SecurityError");
        },
      });
    });
  }

  /** Something else in this browser holds every database, so that none can be opened until the function that is returned is called. */
  async holdDatabases(): Promise<() => Promise<void>> {
    this.storageMayFail = true;
    const holder = await this.context.newPage();
    await holder.goto("/favicon.svg");
    await holder.evaluate(async () => {
      const names = (await indexedDB.databases()).flatMap(({ name }) => (name?.startsWith("tidemark-") ? [name] : []));
      for (const name of names) {
        await new Promise((held, failed) => {
          const opening = indexedDB.open(name);
          opening.onsuccess = held;
          opening.onerror = failed;
        });
        // Waits for the connection above, which does not listen; whoever opens the database waits behind it.
        indexedDB.deleteDatabase(name);
      }
    });
    return () => holder.close();
  }

  /** The browser throws the copy of what the server has away, and keeps what waits. */
  async evictBase(): Promise<void> {
    await removeDatabases(this.page, "tidemark-base-");
  }

  /** Signs in on the page that asks for it. */
  async signIn(): Promise<void> {
    await this.signInAt(this.page);
  }

  /** The same at somebody else's browser. */
  async signInAt(page: Page): Promise<void> {
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await expectAlive(page);
    await page.getByLabel("Email").fill(this.email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  /** Waits until the service worker can serve the application without a network. */
  async becomeReadyForOffline(): Promise<void> {
    await becomeReadyForOffline(this.page);
  }

  /** The network goes: every connection ends, and the browser says so. Not while the files of a first visit are still on their way:
   *  losing some of those is no error, and looks like one on the console. */
  async goOffline(): Promise<void> {
    if (this.page.url().startsWith(this.url)) await this.becomeReadyForOffline();
    this.networkMayFail = true;
    this.line.cut();
    await this.context.setOffline(true);
  }

  async goOnline(): Promise<void> {
    this.line.open();
    await this.context.setOffline(false);
  }

  /** The server, not the network, is about to go away. */
  expectServerToVanish(): void {
    this.networkMayFail = true;
  }

  /** What this person may see is about to end: a request that meets the end half-way is refused, and the browser itself says so. */
  expectRefusals(): void {
    this.refusalsMayCome = true;
  }

  /** Everything of the server is there but what edits travel by, until `letEditsThrough`. */
  async holdEditsBack(): Promise<void> {
    this.refuseSockets();
    await this.context.route("**/api/sync/**", (route) => route.abort());
  }

  async letEditsThrough(): Promise<void> {
    this.line.open();
    await this.context.unroute("**/api/sync/**");
  }

  /** What this address answers comes only once the function that is returned is called, which waits until it has. */
  async holdAnswers(address: string): Promise<() => Promise<void>> {
    let release!: () => void;
    const released = new Promise<void>((done) => (release = done));
    const passing: Promise<unknown>[] = [];
    await this.context.route(address, (route) => {
      const asked = route.request();
      const passed = released.then(() => route.continue()).then(() => asked.response());
      passing.push(passed.then((answer) => answer?.finished()));
    });
    return async () => {
      expect(passing, `nobody asked for ${address}`).not.toHaveLength(0);
      release();
      await Promise.all(passing);
      await this.context.unroute(address);
    };
  }

  /** WebSockets are refused from now on; everything else passes. */
  refuseSockets(): void {
    this.networkMayFail = true;
    this.line.refuseSockets();
  }

  /** WebSockets neither open nor fail from now on; everything else passes. */
  swallowSockets(): void {
    this.networkMayFail = true;
    this.line.swallowSockets();
  }

  /** WebSockets pass again. */
  allowSockets(): void {
    this.line.open();
  }

  /** Something between this browser and the server answers for this path with this status, until it is told `undefined`. */
  gatewayAnswers(path: string, status: number | undefined): void {
    this.networkMayFail = true;
    this.line.answerItself(path, status);
  }

  /** How often this browser asked for a path, its service worker included. */
  asked(path: string): number {
    return this.line.asked(path);
  }

  /** Tells whether the page has heard the server on a WebSocket that it opened after this was asked for. */
  watchForSocket(): () => boolean {
    let heard = false;
    this.page.on("websocket", (socket) => socket.on("framereceived", () => (heard = true)));
    return () => heard;
  }

  /** Calls a server function with the person's session, for what a test takes for granted. */
  async call<T>(endpoint: string, form: Record<string, string>): Promise<T> {
    const response = await this.context.request.post(`/api/${endpoint}`, {
      form,
      headers: { accept: "application/json", origin: this.url },
    });
    expect(response.status(), `${endpoint}: ${await response.text()}`).toBe(200);
    return (await response.json()) as T;
  }

  async leave(): Promise<void> {
    await this.context.close();
    await this.line.remove();
    if (this.folder !== undefined) await rm(this.folder, { recursive: true, force: true });
  }
}

/** Before the application has taken over the page, a click does nothing. */
export async function expectAlive(page: Page): Promise<void> {
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
}

/** Waits until a service worker is in charge of the page. */
export async function becomeReadyForOffline(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller?.state)).toBe("activated");
}

async function removeDatabases(page: Page, prefix: string): Promise<void> {
  await page.evaluate(async (prefix) => {
    const databases = await indexedDB.databases();
    const names = databases.flatMap(({ name }) => (name?.startsWith(prefix) ? [name] : []));
    for (const name of names) {
      await new Promise((done, failed) => {
        const removing = indexedDB.deleteDatabase(name);
        removing.onsuccess = done;
        removing.onerror = failed;
      });
    }
  }, prefix);
}
