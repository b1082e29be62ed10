// What the service worker does when no tab is open.
import { expect, test } from "./fixtures.ts";
import { becomeReadyForOffline, expectAlive } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

const OUTBOX = "tidemark-outbox";
const PUSH = "/api/sync/push";

test("edits leave without a tab, once there is a network again", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();

  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await hers.rename("Walk the route", "Walk the whole route");
  await expectSync(ada.page, "offline, 2 waiting");
  await ada.page.goto("about:blank");
  await ada.goOnline();
  await ada.wakeServiceWorker(OUTBOX);
  await expect(his.row("Count the culverts")).toBeVisible();
  await expect(his.row("Walk the whole route")).toBeVisible();

  // The tab that opens later sends the same bytes again, and is told that they have arrived.
  await ada.go(address);
  await expectSync(ada.page, "live");
  await expect(hers.row("Count the culverts")).toHaveCount(1);
  await expect(his.row("Count the culverts")).toHaveCount(1);
});

test("a worker that is told to wait tries again when the browser wakes it, and loses nothing", async ({ member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();
  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, "offline, 1 waiting");
  await ada.page.goto("about:blank");

  for (const status of [429, 503]) {
    const before = ada.asked(PUSH);
    ada.gatewayAnswers(PUSH, status);
    await ada.goOnline();
    await ada.wakeServiceWorker(OUTBOX);
    await expect.poll(() => ada.asked(PUSH)).toBeGreaterThan(before);
  }
  ada.gatewayAnswers(PUSH, undefined);
  await ada.wakeServiceWorker(OUTBOX);
  await expect(his.row("Count the culverts")).toBeVisible();
  await ada.go(address);
  await expectSync(ada.page, "live");
  await expect(hers.row("Count the culverts")).toHaveCount(1);
});

test("more edits than one message holds leave without a tab", async ({ member }) => {
  // It types 510 lines.
  test.slow();
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();
  await ada.goOffline();
  const count = 510;
  await hers.row("Route").getByRole("button", { name: /^Add / }).click();
  const input = ada.page.getByPlaceholder(/, Enter to add$/);
  for (let pole = 1; pole <= count; pole += 1) {
    await input.fill(`Mark pole ${pole}`);
    await input.press("Enter");
  }
  await expectSync(ada.page, `offline, ${count} waiting`);
  await ada.page.goto("about:blank");

  const before = ada.asked(PUSH);
  await ada.goOnline();
  await ada.wakeServiceWorker(OUTBOX);
  await expect(his.row("Route")).toContainText(`0/${count + 1}`);
  // One asks whose history the server's is.
  expect(ada.asked(PUSH) - before).toBeGreaterThanOrEqual(3);
  await ada.go(address);
  await expectSync(ada.page, "live");
  await expect(hers.row("Route")).toContainText(`0/${count + 1}`);
});

test("after a restore a worker leaves the edits to a tab, which brings back what the server lost", async ({ server, member }) => {
  const ada = await member("Ada", "kept");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await ada.becomeReadyForOffline();
  const backup = await server.backUp();
  // The server has this one, and will have lost it; what Ada does offline needs it.
  await hers.addUnder("Survey", "Poles");
  await expectSync(ada.page, "live");
  await expect(his.row("Poles")).toBeVisible();
  await ada.goOffline();
  await hers.addUnder("Poles", "Mark the poles");
  await expectSync(ada.page, "offline, 1 waiting");
  await ada.page.goto("about:blank");
  bo.expectServerToVanish();
  await bo.page.goto("about:blank");
  await server.goBackTo(backup);

  // The browser may wake the worker by itself as well, which asks again whose history the server's is, and sends nothing.
  const before = ada.asked(PUSH);
  await ada.goOnline();
  await ada.wakeServiceWorker(OUTBOX);
  await expect.poll(() => ada.asked(PUSH)).toBeGreaterThan(before);
  await bo.page.goto(address);
  await expectSync(bo.page, "live");
  await expect(his.row("Walk the route")).toBeVisible();
  for (const title of ["Poles", "Mark the poles"]) await expect(his.row(title)).toHaveCount(0);

  await ada.go(address);
  await expectSync(ada.page, "live");
  await expect(hers.row("Mark the poles")).toBeVisible();
  await expect(his.row("Poles")).toBeVisible();
  await expect(his.row("Mark the poles")).toBeVisible();
  await expectSync(bo.page, "live");
});

test("a worker whose script did not arrive is fetched again", async ({ stranger }) => {
  const ada = await stranger("Ada");
  ada.gatewayAnswers("/service-worker.js", 503);
  await ada.go("/sign-up");
  await expect.poll(() => ada.asked("/service-worker.js"), { timeout: 60_000 }).toBeGreaterThan(0);
  ada.gatewayAnswers("/service-worker.js", undefined);
  await ada.becomeReadyForOffline();
});

test("a page that was on its way while the first worker took over has it too", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const arrive = await ada.holdAnswers("**/notes");
  const going = page.goto("/notes");
  // Another page brings the worker meanwhile.
  const other = await ada.newTab("/");
  await becomeReadyForOffline(other);
  await arrive();
  await going;
  await expectAlive(page);
  await becomeReadyForOffline(page);
});
