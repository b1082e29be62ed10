// Another workspace while edits wait, and another way to the server and back: nothing is lost on the way.
import type { Page } from "@playwright/test";
import { readFile } from "node:fs/promises";
import { expect, test } from "./fixtures.ts";
import { expectAlive, type Person } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

interface Shared {
  ada: Person;
  bo: Person;
  hers: ProjectScreen;
  his: ProjectScreen;
}

/** Ada and Bo share "Harbour works" and a project in it; Ada has "Lighthouse" to herself. */
const shared = test.extend<{ shared: Shared }>({
  shared: async ({ member }, use) => {
    const ada = await member("Ada");
    const bo = await member("Bo");
    await ada.call("workspace/create", { name: "Lighthouse" });
    await ada.go("/workspaces");
    await switchTo(ada.page, "Harbour works");
    const hers = await ProjectScreen.makeCable(ada.page);
    const his = await hers.on(bo.page);
    await expect(his.row("Walk the route")).toBeVisible();
    await use({ ada, bo, hers, his });
  },
});

async function openWorkspaces(page: Page, from: string): Promise<void> {
  await page.getByRole("link", { name: `Workspace ${from}, switch` }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Workspaces", exact: true })).toBeVisible();
}

/** Chooses another workspace on the page that lists them. */
async function switchTo(page: Page, workspace: string): Promise<void> {
  await page.getByRole("button", { name: workspace, exact: true }).click();
  await expect(page.getByRole("link", { name: `Workspace ${workspace}, switch` })).toBeVisible();
  await expectAlive(page);
}

/** The same where edits wait: one is asked, and keeps them. */
async function keepAndSwitchTo(page: Page, workspace: string): Promise<void> {
  await page.getByRole("button", { name: workspace, exact: true }).click();
  const question = page.getByRole("group", { name: "Edits wait to be sent" });
  await expect(question).toContainText(workspace);
  await question.getByRole("button", { name: "Keep on this device and switch" }).click();
  await expect(page.getByRole("link", { name: `Workspace ${workspace}, switch` })).toBeVisible();
  await expectAlive(page);
}

async function openSyncCentre(page: Page): Promise<void> {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
  // It is there once the outbox has been read.
  await expect(page.getByRole("button", { name: "Export all" })).toBeVisible();
}

shared("an edit that waits stays with its workspace through a switch, and is sent after the switch back", async ({ shared }) => {
  const { ada, hers, his } = shared;
  const { page } = ada;
  const address = page.url();
  await ada.holdEditsBack();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(page, /1 waiting|syncing 1/);
  await openWorkspaces(page, "Harbour works");
  await expect(page.getByText("1 edit waits to be sent")).toBeVisible();
  // Nobody is moved before they have said what becomes of it.
  await page.getByRole("button", { name: "Lighthouse", exact: true }).click();
  await page.getByRole("button", { name: "Stay here" }).click();
  await expect(page.getByRole("group", { name: "Edits wait to be sent" })).toHaveCount(0);
  await keepAndSwitchTo(page, "Lighthouse");

  // Nothing of the one workspace is in the other.
  await openSyncCentre(page);
  await expect(page.getByText("Nothing waits.")).toBeVisible();
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects" }).click();
  await expect(page.getByText("No projects yet.")).toBeVisible();
  await openWorkspaces(page, "Lighthouse");
  await expect(page.getByText(/waits? to be sent/)).toHaveCount(0);
  await switchTo(page, "Harbour works");

  await ada.go(address);
  await expect(hers.row("Count the culverts")).toHaveCount(1);
  await expectSync(page, /1 waiting|syncing 1/);
  await ada.letEditsThrough();
  await expectSync(page, "live");
  await expect(his.row("Count the culverts")).toHaveCount(1);
  await expect(hers.row("Count the culverts")).toHaveCount(1);
});

shared("without a connection nobody is moved to another workspace, it says so, and what waits is kept", async ({ shared }) => {
  const { ada, hers, his } = shared;
  const { page } = ada;
  await ada.becomeReadyForOffline();
  await ada.goOffline();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(page, "offline, 1 waiting");
  await openWorkspaces(page, "Harbour works");
  await expect(page.getByText("1 edit waits to be sent")).toBeVisible();
  await page.getByRole("button", { name: "Lighthouse", exact: true }).click();
  await page.getByRole("button", { name: "Keep on this device and switch" }).click();
  await expect(page.getByText("The server could not be reached.")).toBeVisible();

  await page.getByRole("link", { name: "Back to the dashboard" }).click();
  await expect(page.getByRole("link", { name: "Workspace Harbour works, switch" })).toBeVisible();
  await expectSync(page, "offline, 1 waiting");
  await ada.goOnline();
  await expectSync(page, "live");
  await expect(his.row("Count the culverts")).toHaveCount(1);
});

shared("edits exported before a switch are taken in by their own workspace only, and sent once", async ({ shared }) => {
  const { ada, hers, his } = shared;
  const { page } = ada;
  const address = page.url();
  const importing = page.getByLabel("Import edits from a file");
  await ada.holdEditsBack();
  await hers.addUnder("Route", "Count the culverts");
  await expectSync(page, /1 waiting|syncing 1/);
  await openWorkspaces(page, "Harbour works");
  await page.getByRole("button", { name: "Lighthouse", exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export to a file" }).click();
  const file = await (await download).path();
  expect(await readFile(file, "utf8")).toContain("Count the culverts");
  await page.getByRole("button", { name: "Keep on this device and switch" }).click();
  await expect(page.getByRole("link", { name: "Workspace Lighthouse, switch" })).toBeVisible();
  await expectAlive(page);
  await ada.letEditsThrough();
  await ada.go("/sync");
  await expectSync(page, "live");
  await importing.setInputFiles(file);
  await expect(page.getByText("These edits were made by somebody else, or in another workspace.")).toBeVisible();
  await expect(page.getByText("Nothing waits.")).toBeVisible();

  await openWorkspaces(page, "Lighthouse");
  await switchTo(page, "Harbour works");
  await expectSync(page, "live");
  await openSyncCentre(page);
  await importing.setInputFiles(file);
  await expectSync(page, "live");
  await ada.go(address);
  for (const screen of [hers, his]) await expect(screen.row("Count the culverts")).toHaveCount(1);
});

test("sockets that were refused for a while are used again, and no edit is lost on the way", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(bo.page);
  await expect(his.row("Walk the route")).toBeVisible();

  bo.refuseSockets();
  await his.rename("Walk the route", "Walk the whole route");
  await expect(hers.row("Walk the whole route")).toBeVisible();
  await expectSync(bo.page, "live");

  const hasSocket = bo.watchForSocket();
  bo.allowSockets();
  await his.addUnder("Route", "Count the culverts");
  await expect.poll(hasSocket, { timeout: 60_000 }).toBe(true);
  await expect(hers.row("Count the culverts")).toHaveCount(1);
  await hers.rename("Count the culverts", "Count all culverts");
  await expect(his.row("Count all culverts")).toHaveCount(1);
  await expectSync(bo.page, "live");
});

test("where sockets neither open nor fail, edits go by requests", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(bo.page);
  await expect(his.row("Walk the route")).toBeVisible();

  bo.swallowSockets();
  await his.addUnder("Route", "Count the culverts");
  await expect(hers.row("Count the culverts")).toBeVisible({ timeout: 60_000 });
  await expectSync(bo.page, "live");
  await hers.rename("Count the culverts", "Count all culverts");
  await expect(his.row("Count all culverts")).toHaveCount(1);
});

test("a tab leaves when somebody else signs in beside it, and nobody is taken for removed", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  const address = ada.page.url();
  const beside = await ada.newTab("/sign-in");
  // Her session ends under what her tabs are asking just then, which the browser itself writes to the console.
  ada.expectRefusals();
  await bo.signInAt(beside);
  await expectSync(beside, "live");
  for (const tab of [beside, ada.page]) await expect(tab.getByRole("link", { name: "Bo, members" })).toBeVisible();

  await beside.goto("/sign-in");
  await ada.signInAt(beside);
  await expectSync(beside, "live");
  for (const tab of [beside, ada.page]) await expect(tab.getByRole("link", { name: "Ada, members" })).toBeVisible();
  await expectSync(ada.page, "live");
  await ada.go(address);
  await expect(hers.row("Walk the route")).toBeVisible();
});
