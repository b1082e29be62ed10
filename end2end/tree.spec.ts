// The tree by keyboard, in a project longer than the screen, and the editors beside it: there is always a way in by Tab, and
// nothing half typed is lost or taken for something else.
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectAlive } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

/** Thirty tasks in the first step, and a second step below them, of which a screen shows the third part. */
async function makeLong(page: Page): Promise<ProjectScreen> {
  await page.setViewportSize({ width: 1200, height: 640 });
  const screen = await ProjectScreen.make(page, "North shore cable");
  await screen.addUnder("Survey", "Last step");
  await screen.addUnder("Route", ...Array.from({ length: 30 }, (_, nth) => `Pole ${nth + 1}`));
  return screen;
}

/** Turns the wheel over the tree, far up or down. */
async function wheel(page: Page, pixels: number): Promise<void> {
  await page.locator("#project-tree").hover();
  await page.mouse.wheel(0, pixels);
}

async function lastTitles(page: Page): Promise<string[]> {
  return (await page.locator(".tree-row .row-title").allTextContents()).slice(-3);
}

test("a long tree is walked by keyboard", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const { keyboard } = page;
  const hers = await makeLong(page);

  await page.getByRole("button", { name: "Fold all", exact: true }).focus();
  await keyboard.press("Tab");
  await expect(hers.row("Route")).toBeFocused();
  await keyboard.press("Home");
  await expect(hers.row("Survey")).toBeFocused();
  await keyboard.press("End");
  await expect(hers.row("Last step")).toBeFocused();
  await expect(hers.row("Last step")).toBeInViewport();
  await keyboard.press("PageUp");
  await expect(hers.row("Last step")).not.toBeFocused();
  await expect(page.locator(".tree-row:focus")).toBeInViewport();
  await keyboard.press("Home");
  await expect(hers.row("Survey")).toBeFocused();
  await expect(async () => {
    await keyboard.press("PageDown");
    await expect(hers.row("Last step")).toBeFocused({ timeout: 500 });
  }).toPass();

  // The row that has the focus keeps it however far away the wheel scrolls, and is where the next key begins.
  await keyboard.press("Home");
  await expect(hers.row("Survey")).toBeFocused();
  await wheel(page, 4000);
  await expect(hers.row("Last step")).toBeInViewport();
  await expect(hers.row("Survey")).toBeFocused();
  await expect(hers.row("Survey")).not.toBeInViewport();
  await keyboard.press("ArrowDown");
  await expect(hers.row("Route")).toBeFocused();
  await expect(hers.row("Route")).toBeInViewport();

  await keyboard.press("ArrowDown");
  await expect(hers.row("Pole 1")).toBeFocused();
  await keyboard.press("Space");
  await expect(hers.status("Pole 1")).toHaveValue("done");
  await keyboard.press("Space");
  await expect(hers.status("Pole 1")).toHaveValue("in_progress");
  await keyboard.press("ArrowLeft");
  await expect(hers.row("Route")).toBeFocused();
  await keyboard.press("ArrowLeft");
  await expect(hers.row("Pole 1")).toHaveCount(0);
  await keyboard.press("ArrowRight");
  await expect(hers.row("Pole 1")).toBeVisible();
  await expectSync(page, "live");
});

test("what is added, renamed, moved and deleted in a long tree is in sight, and is taken back", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const { keyboard } = page;
  const hers = await makeLong(page);

  // A new task stands below thirty others.
  await hers.row("Route").focus();
  await keyboard.press("Home");
  await expect(hers.row("Survey")).toBeFocused();
  await keyboard.press("ArrowDown");
  await expect(hers.row("Route")).toBeFocused();
  await keyboard.press("Insert");
  const task = page.getByPlaceholder("New task, Enter to add");
  await expect(task).toBeFocused();
  await expect(task).toBeInViewport();
  await keyboard.type("Pole 31");
  await keyboard.press("Enter");
  await expect(hers.row("Pole 31")).toBeInViewport();
  await expect(task).toHaveValue("");
  await expect(task).toBeInViewport();
  // What was typed and not entered is not added.
  await keyboard.type("Pole 32");
  await keyboard.press("Escape");
  await expect(hers.row("Route")).toBeFocused();
  await expect(hers.row("Route")).toBeInViewport();
  await expect(hers.row("Pole 32")).toHaveCount(0);
  await page.getByRole("button", { name: "Add phase" }).click();
  const phase = page.getByPlaceholder("New phase, Enter to add");
  await expect(phase).toBeFocused();
  await expect(phase).toBeInViewport();
  await keyboard.press("Escape");
  await expect(phase).toHaveCount(0);
  await expect(hers.row("Route")).toBeFocused();

  // The active row was scrolled out of sight.
  await wheel(page, 4000);
  await expect(hers.row("Last step")).toBeInViewport();
  await page.getByRole("button", { name: "Rename Route" }).click();
  const title = page.getByRole("row").getByLabel("Title", { exact: true });
  await expect(title).toBeFocused();
  await expect(title).toBeInViewport();
  await keyboard.press("Escape");
  await expect(hers.row("Route")).toBeFocused();

  await keyboard.press("End");
  await expect(hers.row("Last step")).toBeFocused();
  await keyboard.press("ArrowUp");
  await expect(hers.row("Pole 31")).toBeFocused();
  await keyboard.press("Alt+ArrowUp");
  await expect(page.getByText("Moved “Pole 31” to place 30 of 31.")).toBeVisible();
  await expect(hers.row("Pole 31")).toBeFocused();
  await expect.poll(() => lastTitles(page)).toEqual(["Pole 31", "Pole 30", "Last step"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => lastTitles(page)).toEqual(["Pole 30", "Pole 31", "Last step"]);
  await hers.row("Pole 31").focus();
  await keyboard.press("Delete");
  await expect(hers.row("Pole 31")).toHaveCount(0);
  await expect(hers.row("Pole 30")).toBeFocused();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(hers.row("Pole 31")).toBeVisible();
  await expectSync(page, "live");
});

test("Tab finds the tree whatever became of the row one was on", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = ada;
  const hers = await ProjectScreen.make(page, "North shore cable");
  await hers.addUnder("Route", "Walk", "Mark", "Count");
  await expectSync(page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Count")).toBeVisible();

  // Folded away: its phase has its place.
  await hers.row("Mark").focus();
  const foldAll = page.getByRole("button", { name: "Fold all", exact: true });
  await foldAll.click();
  await expect(hers.row("Mark")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Rename Survey" })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(hers.row("Survey")).toBeFocused();

  // Deleted by somebody else while it has the focus: the next of its siblings gets it.
  await page.getByRole("button", { name: "Unfold all" }).click();
  await hers.row("Mark").focus();
  await his.remove("Mark");
  await expect(hers.row("Mark")).toHaveCount(0);
  await expect(hers.row("Count")).toBeFocused();

  // While the focus is elsewhere it stays there.
  await foldAll.focus();
  await his.remove("Count");
  await expect(hers.row("Count")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Rename Walk" })).toBeVisible();
  await expect(foldAll).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(hers.row("Walk")).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(hers.row("Route")).toBeFocused();
});

test("what is deleted by keyboard goes row by row, never what it stands under before the last of it", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const { keyboard } = page;
  const hers = await ProjectScreen.make(page, "North shore cable");
  await hers.addUnder("Route", "Walk", "Mark", "Count");
  await hers.row("Mark").focus();
  for (const next of ["Count", "Walk", "Route", "Survey"]) {
    await keyboard.press("Delete");
    await expect(hers.row(next)).toBeFocused();
  }
  await expect(hers.titles()).toHaveText(["Survey"]);
  await keyboard.press("Delete");
  await expect(hers.row("Survey")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Add phase" })).toBeFocused();
  await expectSync(page, "live");
});

test("what was deleted one after the other is taken back by key, the newest first", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = ada;
  const hers = await ProjectScreen.make(page, "North shore cable");
  await hers.addUnder("Route", "Walk", "Mark", "Count");
  await expectSync(page, "live");
  const his = await hers.on(bo.page);
  await hers.row("Walk").focus();
  for (const next of ["Mark", "Count"]) {
    await page.keyboard.press("Delete");
    await expect(hers.row(next)).toBeFocused();
  }
  await expect(his.titles()).toHaveText(["Survey", "Route", "Count"]);

  // In an input the key is the input's own.
  await page.keyboard.press("Enter");
  const title = page.getByRole("row").getByLabel("Title", { exact: true });
  await expect(title).toBeFocused();
  await page.keyboard.press("ControlOrMeta+z");
  await page.keyboard.press("Escape");
  await expect(hers.row("Count")).toBeFocused();
  await expect(hers.titles()).toHaveText(["Survey", "Route", "Count"]);

  await page.keyboard.press("ControlOrMeta+z");
  await expect(page.getByText("Taken back: Deleted “Mark”.")).toBeVisible();
  await expect(hers.row("Mark")).toBeVisible();
  await page.keyboard.press("ControlOrMeta+z");
  await expect(page.getByText("Taken back: Deleted “Walk”.")).toBeVisible();
  for (const screen of [hers, his]) {
    await expect(screen.titles()).toHaveText(["Survey", "Route", "Walk", "Mark", "Count"]);
  }
  // There is nothing more to take back.
  await page.keyboard.press("ControlOrMeta+z");
  await expect(page.getByText("Taken back: Deleted “Walk”.")).toBeVisible();
  await expectSync(page, "live");
});

test("half a number or date does not take the place of a whole one", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await hers.setLine("progress", "60");
  await hers.setLine("due", "2027-03-01");
  await expectSync(page, "live");
  // Without a network every edit is counted.
  await ada.goOffline();
  await expectSync(page, "offline");

  const progress = hers.line("progress");
  await progress.focus();
  await page.keyboard.press("End");
  await page.keyboard.type("e");
  await page.keyboard.press("Tab");
  await expect(hers.field("progress")).toContainText("Progress is not a whole number yet. The value from before is kept.");
  await expectSync(page, "offline");
  await progress.press("Escape");
  await expect(progress).toHaveValue("60");
  await expect(hers.field("progress")).not.toContainText("not a whole number");

  // Day and month are alike, so it does not matter which of them the browser asks for first.
  const due = hers.line("due");
  await due.focus();
  await page.keyboard.type("11112028");
  await page.keyboard.press("Enter");
  await expectSync(page, "offline, 1 waiting");
  await expect(due).toHaveValue("2028-11-11");
  await page.keyboard.press("Backspace");
  await progress.focus();
  await expect(hers.field("due")).toContainText("Due is not a whole date yet. The value from before is kept.");
  await due.press("Escape");
  await expect(due).toHaveValue("2028-11-11");
  await expectSync(page, "offline, 1 waiting");
  await ada.goOnline();
  await expectSync(page, "live");
});

test("unfinished text meets what somebody else wrote before a reload, and both are kept", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);
  await hers.open("Walk the route");
  await hers.write("description", "Start at the pier.\n\nTurn left at the mill.\n\nEnd at the pump house.");
  await expectSync(ada.page, "live");
  const his = await hers.on(bo.page);
  await his.open("Walk the route");
  await expect(his.field("description")).toContainText("End at the pump house.");

  const text = hers.field("description").getByRole("textbox");
  await hers.field("description").getByRole("button", { name: /^Edit/ }).click();
  await text.fill("Start at the pier.\n\nTurn left at the mill.\n\nEnd at the new pump house.");
  await his.write("description", "Start at the old pier.\n\nTurn left at the mill.\n\nEnd at the pump house.");
  await expectSync(bo.page, "live");
  await ada.page.reload();
  await expectAlive(ada.page);
  await expect(text).toHaveValue(/End at the new pump house\.$/);
  await expectSync(ada.page, "live");
  await hers.field("description").getByRole("button", { name: "Save" }).click();
  for (const screen of [hers, his]) {
    await expect(screen.field("description")).toContainText("End at the new pump house.");
    await expect(screen.field("description")).toContainText("Start at the old pier.");
  }
  await expectSync(ada.page, "live");

  // It is forgotten once it is an edit.
  await ada.page.reload();
  await expectAlive(ada.page);
  await expect(hers.field("description")).toContainText("End at the new pump house.");
  await expect(text).toHaveCount(0);
});

test("what is being typed into a task that somebody deletes is told, or comes back with the task", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = bo;
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(page);
  await his.open("Walk the route");
  const undo = ada.page.getByRole("button", { name: "Undo" });

  await his.line("title").focus();
  await page.keyboard.press("End");
  await page.keyboard.type(" slowly");
  await hers.remove("Walk the route");
  await expect(page.getByText("You had typed “Walk the route slowly”.")).toBeVisible();
  await undo.click();
  await expect(his.line("title")).toHaveValue("Walk the route");
  await expect(hers.row("Walk the route")).toBeVisible();

  await his.field("description").getByRole("button", { name: /^Edit/ }).click();
  await his.field("description").getByRole("textbox").fill("Bring boots.");
  await hers.remove("Walk the route");
  await expect(page.getByText("What you wrote in Description is kept in this browser")).toBeVisible();
  await undo.click();
  await expect(his.field("description").getByRole("textbox")).toHaveValue("Bring boots.");
  await expectSync(page, "live");
});

test("the panel of a task that somebody deleted says so, and brings it back", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = bo;
  const hers = await ProjectScreen.makeCable(ada.page);
  const his = await hers.on(page);
  const panel = await his.open("Walk the route");
  await expect(panel.getByText("On the server").first()).toBeAttached();
  await hers.remove("Walk the route");
  const gone = page.getByRole("complementary");
  await expect(gone.getByRole("heading", { name: "This record is not here" })).toBeVisible();
  await expect(gone.getByText("On the server")).toHaveCount(0);
  await gone.getByRole("button", { name: "Bring it back" }).click();
  for (const screen of [hers, his]) await expect(screen.row("Walk the route")).toBeVisible();
  await expect(his.line("title")).toHaveValue("Walk the route");
  await expectSync(page, "live");
});

test("the row of the panel that is open is marked, also after a reload", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await page.reload();
  await expectAlive(page);
  await expect(hers.row("Walk the route")).toHaveAttribute("data-active", "true");
  await hers.open("Route");
  await expect(hers.row("Route")).toHaveAttribute("data-active", "true");
  await page.goBack();
  await expect(hers.row("Walk the route")).toHaveAttribute("data-active", "true");
});

test("on a phone a row tells what is urgent, an error leaves its row as it is, and where one is stays in sight", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await hers.setLine("due", "2027-03-01");
  await hers.choose("priority", "Urgent");
  await page.getByRole("link", { name: "Close the panel" }).click();
  await hers.row("Survey").focus();
  await page.setViewportSize({ width: 320, height: 800 });
  await hers.row("Walk the route").scrollIntoViewIfNeeded();
  await expect(hers.row("Walk the route").getByText("1 Mar 2027")).toBeInViewport();
  await expect(hers.row("Walk the route").locator(".priority-mark")).toBeInViewport();

  await hers.row("Survey").focus();
  await page.keyboard.press("Enter");
  const title = page.getByRole("row").getByLabel("Title", { exact: true });
  await title.fill("");
  await title.press("Enter");
  const fault = page.getByRole("row").getByRole("alert");
  await expect(fault).toBeInViewport();
  const [input, words] = [(await title.boundingBox())!, (await fault.boundingBox())!];
  expect(input.height).toBeLessThan(40);
  expect(input.width).toBeGreaterThan(120);
  expect(words.y).toBeGreaterThanOrEqual(input.y + input.height);
  expect(words.width).toBeGreaterThan(input.width);
  await title.press("Escape");

  await ada.go("/sync");
  const here = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sync centre" });
  await expect(here).toBeInViewport({ ratio: 0.9 });
  await page.getByRole("link", { name: "Tidemark, to the dashboard" }).click();
  const dashboard = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Dashboard" });
  await expect(dashboard).toBeInViewport({ ratio: 0.9 });
});
