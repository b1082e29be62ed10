// Signing out, and somebody else at the same browser, while edits wait to be sent.
import { readFile } from "node:fs/promises";
import { expect, test } from "./fixtures.ts";
import { expectAlive, type Person } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

/** Ada's only step has a second task that the server knows nothing of. */
async function withAnEditThatWaits(ada: Person): Promise<ProjectScreen> {
  const project = await ProjectScreen.makeCable(ada.page);
  await ada.holdEditsBack();
  await project.addUnder("Route", "Count the culverts");
  await expectSync(ada.page, /1 waiting|syncing 1/);
  return project;
}

async function openSyncCentre(person: Person): Promise<void> {
  await person.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" }).click();
}

test("edits that wait are kept through signing out, are nobody else's, and arrive later", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await withAnEditThatWaits(ada);
  const address = ada.page.url();
  const his = await hers.on(bo.page);
  await openSyncCentre(ada);
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(ada.page.getByText("1 edit waits to be sent.")).toBeVisible();
  await ada.page.getByRole("button", { name: "Keep on this device and sign out" }).click();

  // Bo borrows the browser.
  const wait = ada.page.getByText("Edits made in this browser wait to be sent.");
  await expect(ada.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(wait).toBeVisible();
  await ada.letEditsThrough();
  await bo.signInAt(ada.page);
  await expectSync(ada.page, "live");
  await openSyncCentre(ada);
  await expect(ada.page.getByText("Nothing waits.")).toBeVisible();
  await expect(ada.page.getByRole("main")).toContainText(bo.email);
  await expect(his.row("Walk the route")).toBeVisible();
  await expect(his.row("Count the culverts")).toHaveCount(0);
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();

  await ada.signIn();
  await expectSync(ada.page, "live");
  await expect(his.row("Count the culverts")).toBeVisible();
  await ada.go(address);
  await expect(hers.row("Count the culverts")).toHaveCount(1);
  await openSyncCentre(ada);
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(ada.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expectAlive(ada.page);
  await expect(wait).toBeHidden();
});

test("exported edits can be taken in again, and are sent once", async ({ member }) => {
  const ada = await member("Ada");
  const project = await withAnEditThatWaits(ada);
  const address = ada.page.url();
  await openSyncCentre(ada);
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();
  const download = ada.page.waitForEvent("download");
  await ada.page.getByRole("button", { name: "Export to a file" }).click();
  const file = await (await download).path();
  expect(await readFile(file, "utf8")).toContain("Count the culverts");
  await ada.page.getByRole("button", { name: "I have the file: remove them and sign out" }).click();
  await expect(ada.page.getByRole("heading", { name: "Sign in" })).toBeVisible();

  await ada.letEditsThrough();
  await ada.signIn();
  await expectSync(ada.page, "live");
  await ada.go(address);
  await expect(project.row("Walk the route")).toBeVisible();
  await expect(project.row("Count the culverts")).toHaveCount(0);

  await openSyncCentre(ada);
  for (let times = 0; times < 2; times += 1) {
    await ada.page.getByLabel("Import edits from a file").setInputFiles(file);
    await expectSync(ada.page, "live");
  }
  await ada.go(address);
  await expect(project.row("Count the culverts")).toHaveCount(1);
});

test("without a connection nobody is signed out, and it says so", async ({ member }) => {
  const ada = await member("Ada");
  const project = await ProjectScreen.make(ada.page, "North shore cable");
  await expectSync(ada.page, "live");
  await ada.goOffline();
  await project.addUnder("Route", "Count the culverts");
  await openSyncCentre(ada);
  await ada.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await ada.page.getByRole("button", { name: "Keep on this device and sign out" }).click();
  await expect(ada.page.getByText("You are still signed in.")).toBeVisible();
  await expectSync(ada.page, "offline, 1 waiting");
  await ada.goOnline();
  await expectSync(ada.page, "live");
});
