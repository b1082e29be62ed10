// What a browser does to an application: it freezes tabs, ends them, refuses storage, installs.
import { expect, test } from "./fixtures.ts";
import { PASSWORD } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("a frozen tab that owns the network is replaced, and agrees when it runs again", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const first = await ProjectScreen.makeCable(ada.page);
  const his = await first.on(bo.page);
  const second = new ProjectScreen(await ada.newTab(ada.page.url()));
  await expectSync(second.page, "live");

  await ada.freeze(first.page);
  await second.addUnder("Route", "Count the culverts");
  await expect(his.row("Count the culverts")).toBeVisible();
  await his.rename("Count the culverts", "Count all culverts");
  await expect(second.row("Count all culverts")).toBeVisible();

  await ada.thaw(first.page);
  await expect(first.row("Count all culverts")).toBeVisible();
  await first.rename("Walk the route", "Walk the whole route");
  await expect(his.row("Walk the whole route")).toBeVisible();
  await expect(second.row("Walk the whole route")).toBeVisible();
  for (const screen of [first, second]) await expectSync(screen.page, "live");
});

test("the theme a person chooses is theirs on every device", async ({ member, stranger }) => {
  const ada = await member("Ada");
  await ada.go("/");
  await expectSync(ada.page, "live");
  const tablet = await stranger("Tablet");
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  await tablet.go("/");
  await expectSync(tablet.page, "live");
  const root = tablet.page.locator("html");
  await expect(root).not.toHaveAttribute("data-theme");

  await ada.page.getByRole("button", { name: /^Theme: system/ }).click();
  await expect(root).toHaveAttribute("data-theme", "light");
  await ada.page.getByRole("button", { name: /^Theme: light/ }).click();
  await expect(root).toHaveAttribute("data-theme", "dark");
  await expect(tablet.page.getByRole("button", { name: /^Theme: dark/ })).toBeVisible();
  await tablet.page.reload();
  await expect(root).toHaveAttribute("data-theme", "dark");
});

test("it can be installed", async ({ member }) => {
  const ada = await member("Ada", "kept");
  await ada.becomeReadyForOffline();
  expect(await ada.installFaults()).toEqual([]);
});

test("a browser that stores nothing says so, and edits still arrive", async ({ member }) => {
  const bo = await member("Bo");
  const ada = await member("Ada");
  const his = await ProjectScreen.make(bo.page, "North shore cable");
  await ada.refuseStorage();
  const hers = await his.on(ada.page);
  await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toBeVisible();
  await hers.addUnder("Route", "Count the culverts");
  await expect(his.row("Count the culverts")).toBeVisible();
  // He may see it before she hears that it was taken.
  await expectSync(ada.page, "live");

  await ada.goOffline();
  await hers.addUnder("Route", "Mark the poles");
  await expectSync(ada.page, "offline, 1 waiting");
  // What nothing stores cannot be kept for the next time.
  await ada.page.getByTestId("sync-state").click();
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(ada.page.getByText("This browser keeps nothing: export it")).toBeVisible();
  await expect(ada.page.getByRole("button", { name: /^Keep on this device/ })).toHaveCount(0);
  await ada.page.getByRole("button", { name: "Stay signed in" }).click();
  await ada.goOnline();
  await expect(his.row("Mark the poles")).toBeVisible();
  await expectSync(ada.page, "live");
});

test("a copy that the browser throws away is fetched again, and what waits is kept", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();
  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, "offline, 1 waiting");

  await ada.page.goto("/favicon.svg");
  await ada.evictBase();
  await ada.goOnline();
  await ada.go(address);
  await expect(hers.row("Walk the route")).toBeVisible();
  await expect(hers.row("Count the culverts")).toBeVisible();
  await expect(his.row("Count the culverts")).toBeVisible();
  await expectSync(ada.page, "live");
});

test("a browser whose databases never open says so, and edits still arrive", async ({ member }) => {
  const bo = await member("Bo");
  const ada = await member("Ada");
  const his = await ProjectScreen.make(bo.page, "North shore cable");
  await ada.silenceStorage();
  const hers = await his.on(ada.page);
  // Opening is given up after five seconds, twice; what is done meanwhile waits.
  await hers.row("Route").getByRole("button", { name: /^Add / }).click();
  const input = ada.page.getByPlaceholder(/, Enter to add$/);
  await input.fill("Count the culverts");
  await input.press("Enter");
  await expect(ada.page.getByText("This browser's storage does not answer.")).toBeVisible();
  await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toBeVisible();
  await expect(his.row("Count the culverts")).toBeVisible();
  await hers.rename("Count the culverts", "Count all culverts");
  await expect(his.row("Count all culverts")).toBeVisible();
  await expectSync(ada.page, "live");
});

test("a database that stops answering is given up, and edits still arrive", async ({ member }) => {
  const bo = await member("Bo");
  const ada = await member("Ada");
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(bo.page);
  await ada.stallStorage();
  await hers.addUnder("Route", "Count the culverts");
  // Three times a minute, five seconds at a time.
  await expect(async () => {
    await ada.page.clock.runFor(5_000);
    await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toBeVisible({ timeout: 50 });
  }).toPass({ intervals: [10], timeout: 60_000 });
  await expect(his.row("Count the culverts")).toBeVisible();
  await hers.rename("Count the culverts", "Count all culverts");
  await expect(his.row("Count all culverts")).toBeVisible();
  await expectSync(ada.page, "live");
});

test("what waits outlives its database, while a tab is open", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();
  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, "offline, 1 waiting");
  await ada.clearOutbox();
  await hers.addUnder("Route", "Mark the poles");
  await expectSync(ada.page, "offline, 2 waiting");
  await ada.page.reload();
  await expectSync(ada.page, "offline, 2 waiting");
  await ada.goOnline();
  await expect(his.row("Count the culverts")).toHaveCount(1);
  await expect(his.row("Mark the poles")).toHaveCount(1);
  await expectSync(ada.page, "live");
});

test("databases that open too late are whole all the same", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  await ada.becomeReadyForOffline();
  await ada.page.goto("about:blank");
  const letGo = await ada.holdDatabases();
  await ada.go(address);
  await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toBeVisible();
  await letGo();
  await ada.page.reload();
  await expectSync(ada.page, "live");
  await expect(ada.page.getByText("This browser keeps nothing for Tidemark")).toHaveCount(0);
  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await ada.page.reload();
  await expect(hers.row("Count the culverts")).toBeVisible();
});

test("without the browser's small storage everything but its memory works", async ({ member }) => {
  const ada = await member("Ada");
  await ada.refuseSmallStorage();
  await ada.go("/");
  const hers = await ProjectScreen.makeCable(ada.page);
  await ada.page.getByRole("button", { name: /^Theme: system/ }).click();
  await expect(ada.page.locator("html")).toHaveAttribute("data-theme", "light");
  await hers.rename("Walk the route", "Walk the whole route");
  await expectSync(ada.page, "live");
});
