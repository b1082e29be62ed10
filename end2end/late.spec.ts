// A page whose program, or the answer it asked for, comes late.
import { expect, test } from "./fixtures.ts";
import { expectAlive, PASSWORD } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

const PROGRAM = "**/pkg/*.wasm";

test("what is typed before the sign-in page is alive stays", async ({ member, stranger }) => {
  const ada = await member("Ada");
  const tablet = await stranger("Tablet");
  const { page } = tablet;
  const arrive = await tablet.holdAnswers(PROGRAM);
  await page.goto("/sign-in");
  await page.getByLabel("Email").fill(ada.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await arrive();
  await expectAlive(page);
  await expect(page.getByLabel("Email")).toHaveValue(ada.email);
  await expect(page.getByLabel("Password")).toHaveValue(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expectSync(page, "live");
});

test("what is typed and chosen before a task is alive is an edit once it is", async ({ member, stranger }) => {
  const ada = await member("Ada");
  const hers = await ProjectScreen.makeCable(ada.page);
  await hers.open("Walk the route");
  const address = ada.page.url();

  // Without a service worker, which would have the program at hand.
  const tablet = await stranger("Tablet");
  const { page } = tablet;
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  const arrive = await tablet.holdAnswers(PROGRAM);
  await page.goto(address);
  const there = new ProjectScreen(page);
  await there.line("title").fill("Walk the whole route");
  await there.choose("priority", "High");
  await page.getByLabel("Note", { exact: true }).fill("Walked it");
  await page.getByLabel("New comment").fill("The gate is locked.");
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  await arrive();
  await expectAlive(page);
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue("Walked it");
  await expect(page.getByLabel("New comment")).toHaveValue("");
  await expectSync(page, "live");
  await expect(hers.line("title")).toHaveValue("Walk the whole route");
  await expect(hers.line("priority").locator("option:checked")).toHaveText("High");
  await expect(ada.page.getByText("The gate is locked.")).toBeVisible();
});

test("a button that is pressed before a page is alive is pressed once it is", async ({ member, stranger }) => {
  const ada = await member("Ada");
  await ProjectScreen.makeCable(ada.page);
  for (const name of ["Tablet", "Phone"]) {
    const device = await stranger(name);
    const { page } = device;
    await device.call("sign-in", { email: ada.email, password: PASSWORD });
    const arrive = await device.holdAnswers(PROGRAM);
    await page.goto(ada.page.url());
    await page.getByRole("button", { name: "Add phase" }).click();
    // At the phone she thinks better of it.
    if (name === "Phone") await page.getByRole("heading", { level: 1 }).click();
    await arrive();
    await expectAlive(page);
    const input = page.getByPlaceholder("New phase, Enter to add");
    if (name === "Tablet") await expect(input).toBeFocused();
    await expect(input).toHaveCount(name === "Tablet" ? 1 : 0);
  }
});

test("a form that the browser sends before its page is alive is sent once", async ({ stranger }) => {
  const ada = await stranger("Ada");
  const { page } = ada;
  await ada.call("sign-up", { name: "Ada", email: ada.email, password: PASSWORD });
  // While a page is being left, only it itself can say that it is alive.
  const alive = new Promise<void>((done) => page.exposeFunction("sayAlive", done));
  await page.addInitScript(() => {
    const look = new MutationObserver(() => {
      if (document.documentElement.hasAttribute("data-alive")) (window as unknown as { sayAlive(): void }).sayAlive();
    });
    look.observe(document, { subtree: true, childList: true, attributeFilter: ["data-alive"] });
  });
  const arrive = await ada.holdAnswers(PROGRAM);
  await page.goto("/workspaces");
  await page.getByLabel("Name of the workspace").fill("Harbour works");
  const made = await ada.holdAnswers("**/api/workspace/create");
  await page.getByRole("button", { name: "Make the workspace" }).click({ noWaitAfter: true });
  // The page comes alive while its answer is on its way.
  await arrive();
  await alive;
  await made();
  await expectSync(page, "live");
  await ada.go("/workspaces");
  await expect(page.getByRole("button", { name: /^Harbour works/ })).toHaveCount(1);
});

test("a page that is long on its way is announced by a sign, and opens when it is there", async ({ member, stranger }) => {
  const ada = await member("Ada");
  // Without a service worker, which would have the program at hand.
  const tablet = await stranger("Tablet");
  const { page } = tablet;
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  const arrive = await tablet.holdAnswers("**/pkg/split_work*.wasm");
  await tablet.go("/");
  const root = page.locator("html");
  await expect(root).not.toHaveAttribute("data-busy", "true");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects", exact: true }).click();
  await expect(root).toHaveAttribute("data-busy", "true");
  await arrive();
  await expect(page.getByRole("heading", { level: 1, name: "Projects" })).toBeVisible();
  await expect(root).toHaveAttribute("data-busy", "false");
});

test("a page whose files do not arrive says so, comes when it is tried again, and is no error on the console", async ({ member, stranger }) => {
  const ada = await member("Ada");
  // Without a service worker, which would have them at hand.
  const tablet = await stranger("Tablet");
  const { page } = tablet;
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  // Only what the page asks for that is opened first arrives. That the rest does not, the browser itself writes to the console.
  tablet.expectServerToVanish();
  const first = await (await page.request.get("/")).text();
  await page.route(PROGRAM, (route) => {
    const name = new URL(route.request().url()).pathname;
    return first.includes(name) ? route.continue() : route.abort();
  });
  await tablet.go("/");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "This page did not arrive" })).toBeVisible();
  await page.unroute(PROGRAM);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Projects" })).toBeVisible();
  await expectSync(page, "live");
});

test("an answer that comes after its page was left breaks nothing", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const go = async (name: string) => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  };
  await ada.go("/members");
  for (const { on, asks, button } of [
    { on: "Members", asks: "**/api/invitation/list", button: "Show open invitations" },
    { on: "Members", asks: "**/api/invitation/create", button: "Make an invitation" },
    { on: "Members", asks: "**/api/quarantine/list", button: "Show quarantined edits" },
    { on: "Sync centre", asks: "**/api/session/list", button: "Show where you are signed in" },
  ]) {
    await go(on);
    const answer = await ada.holdAnswers(asks);
    const asked = page.waitForRequest(asks);
    await page.getByRole("button", { name: button }).click();
    await asked;
    await go("Projects");
    await answer();
  }
  // It still does what it is told.
  await ProjectScreen.makeEmpty(page, "North shore cable");
  await expectSync(page, "live");
});
