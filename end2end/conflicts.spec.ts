// What two people changed apart and no rule decides alone: settled in every way there is, by either of them, offline, by
// keyboard, several at once, and taken back. And what two people moved apart. Ada has no network for a while; Bo has.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";
import type { Person } from "./person.ts";

type Deed = () => Promise<unknown>;

/** Both do something while Ada has no network. Then she comes back and is up to date. */
async function apart(ada: Person, bo: Person, hisDeed: Deed, herDeed: Deed): Promise<void> {
  await ada.goOffline();
  await expectSync(ada.page, "offline");
  await hisDeed();
  await expectSync(bo.page, "live");
  await herDeed();
  await ada.goOnline();
  await expectSync(ada.page, /^(live|needs you)/);
}

async function expectBothSync({ ada, bo }: { ada: Person; bo: Person }, words: string): Promise<void> {
  for (const { page } of [ada, bo]) await expectSync(page, words);
}

interface Pair {
  ada: Person;
  bo: Person;
  hers: ProjectScreen;
  his: ProjectScreen;
}

/** Ada and Bo with the panel of the same task open. */
const pair = test.extend<{ pair: Pair }>({
  pair: async ({ member }, use) => {
    const ada = await member("Ada");
    const bo = await member("Bo");
    const hers = await ProjectScreen.makeCable(ada.page);
    const his = await hers.on(bo.page);
    for (const screen of [hers, his]) await screen.open("Walk the route");
    await expectSync(bo.page, "live");
    await use({ ada, bo, hers, his });
  },
});

/** They disagree about the estimate: until one of them decides, Bo's two hours stand and Ada's hour and a half waits. */
async function disagree(pair: Pair): Promise<void> {
  const { ada, bo, hers, his } = pair;
  await apart(ada, bo, () => his.setLine("estimate", "120"), () => hers.setLine("estimate", "90"));
  await expectBothSync(pair, "needs you (1)");
}

function waiting(page: Page): Locator {
  return page.getByRole("list", { name: "Waiting conflicts" });
}

function decided(page: Page): Locator {
  return page.getByRole("list", { name: "Decided conflicts" });
}

async function openConflicts(page: Page): Promise<void> {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Conflicts" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Conflicts" })).toBeVisible();
}

async function openConflict(page: Page, title = "Walk the route"): Promise<void> {
  await openConflicts(page);
  await waiting(page).getByRole("link", { name: title }).click();
  await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
}

function choice(page: Page, name: string): Locator {
  return page.getByRole("group", { name: "Settle", exact: true }).getByRole("button", { name, exact: true });
}

/** From a conflict to the record it speaks of. */
async function openIt(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Open it" }).click();
}

pair("keep theirs: what the server holds stays, for both", async ({ pair }) => {
  const { ada, hers, his } = pair;
  await disagree(pair);
  await openConflict(ada.page);
  await choice(ada.page, "Keep theirs").click();
  await expect(ada.page.getByText("Settled by Ada: kept Bo’s value.")).toBeVisible();
  await expectBothSync(pair, "live");
  await openIt(ada.page);
  for (const screen of [hers, his]) await expect(screen.line("estimate")).toHaveValue("120");
});

pair("combine: what one of them writes out of both stands, for both", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  await hers.write("description", "Start at the pier.");
  await expect(his.field("description")).toContainText("Start at the pier.");
  await apart(
    ada,
    bo,
    () => his.write("description", "Start at the mill."),
    () => hers.write("description", "Start at the quay."),
  );
  await expectBothSync(pair, "needs you (1)");

  await openConflict(ada.page);
  await ada.page.getByRole("radio", { name: "Write it together" }).check();
  const together = ada.page.getByRole("textbox", { name: "Combined description" });
  await expect(together).toHaveValue("Start at the quay.");
  await together.fill("Start at the quay, by the mill.");
  await choice(ada.page, "Combine").click();
  await expect(ada.page.getByText("Settled by Ada: combined both.")).toBeVisible();
  await expectBothSync(pair, "live");
  await openIt(ada.page);
  for (const screen of [hers, his]) {
    await expect(screen.field("description")).toContainText("Start at the quay, by the mill.");
  }
});

pair("restore: a value that a later one replaced stands again", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  await apart(ada, bo, () => his.setLine("title", "Walk the coast"), () => hers.setLine("title", "Walk the ridge"));
  for (const screen of [hers, his]) await expect(screen.line("title")).toHaveValue("Walk the ridge");

  await openConflicts(bo.page);
  await expect(bo.page.getByText("Nothing waits for you.")).toBeVisible();
  await expect(decided(bo.page)).toContainText("Title: Ada’s value stands, Bo’s is kept");
  const restore = decided(bo.page).getByRole("button", { name: "Restore my value of Walk the ridge: Title" });
  await restore.click();
  await expect(bo.page.getByText("Restored the kept value.")).toBeVisible();
  await expect(hers.line("title")).toHaveValue("Walk the coast");
  await expect(decided(bo.page).getByRole("button", { name: /^Restore/ })).toHaveCount(0);
  await expectBothSync(pair, "live");

  await bo.page.getByRole("button", { name: "Undo" }).click();
  await expect(hers.line("title")).toHaveValue("Walk the ridge");
  await expect(restore).toBeVisible();
  await expectBothSync(pair, "live");
});

pair("restore: from the notification that says so, whoever lost a value finds and restores it", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  const { page } = bo;
  await apart(ada, bo, () => his.setLine("title", "Walk the coast"), () => hers.setLine("title", "Walk the ridge"));
  await expect(his.line("title")).toHaveValue("Walk the ridge");

  const notifications = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Notifications" });
  await expect(notifications).toContainText("1");
  await notifications.click();
  const told = page.getByRole("link", { name: "Ada replaced your edit of “Walk the coast”. Yours is kept." });
  await expect(told).toHaveAttribute("href", /^\/conflict\//);
  await told.click();
  await expect(page.getByRole("heading", { level: 1, name: "Walk the ridge" })).toBeVisible();
  await page.getByRole("button", { name: "Restore my value" }).click();
  await expect(page.getByText("Settled by Bo: used Bo’s value.")).toBeVisible();
  await expect(page.getByText("Title: Bo’s value stands again, Ada’s is replaced")).toBeVisible();
  await expect(hers.line("title")).toHaveValue("Walk the coast");
  // It is not new any more once it was followed.
  await expect(notifications).toHaveText("Notifications");
  await expectBothSync(pair, "live");
});

pair("restore: a deleted task comes back with the edit made apart, and goes again", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  await apart(ada, bo, () => his.remove("Walk the route"), () => hers.setLine("title", "Walk the ridge"));
  await expectBothSync(pair, "needs you (1)");

  await openConflict(ada.page);
  await choice(ada.page, "Restore it with the edit").click();
  await expect(ada.page.getByText("Settled by Ada: restored it.")).toBeVisible();
  await expect(his.row("Walk the ridge")).toBeVisible();
  await expectBothSync(pair, "live");
  await openIt(ada.page);
  await expect(hers.line("title")).toHaveValue("Walk the ridge");

  await ada.page.getByRole("button", { name: "Undo" }).click();
  await expect(his.row("Walk the ridge")).toHaveCount(0);
  await expectBothSync(pair, "needs you (1)");
});

pair("restore: a comment brings the task back that was deleted meanwhile", async ({ pair }) => {
  const { ada, bo, his } = pair;
  const words = "The gate is locked on Sundays.";
  await apart(
    ada,
    bo,
    () => his.remove("Walk the route"),
    async () => {
      await ada.page.getByLabel("New comment").fill(words);
      await ada.page.getByRole("button", { name: "Comment", exact: true }).click();
    },
  );
  await openConflict(ada.page, words);
  await choice(ada.page, "Restore it with the edit").click();
  await expect(ada.page.getByText("Settled by Ada: restored it.")).toBeVisible();
  await expect(his.row("Walk the route")).toBeVisible();
  await expect(await his.open("Walk the route")).toContainText(words);
  await expectBothSync(pair, "live");
});

pair("restore: a tree made under a phase that was deleted meanwhile comes back whole", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  await apart(
    ada,
    bo,
    () => his.remove("Survey"),
    async () => {
      await hers.addUnder("Survey", "Soundings");
      await hers.addUnder("Soundings", "Hire a boat");
    },
  );
  // She wrote a side of both; he deleted only what the step was to stand under.
  await expectSync(ada.page, "needs you (2)");
  await expectSync(bo.page, "needs you (1)");

  await openConflict(ada.page, "Hire a boat");
  await choice(ada.page, "Restore it with the edit").click();
  await expect(his.titles()).toHaveText(["Survey", "Route", "Walk the route", "Soundings", "Hire a boat"]);
  await expectSync(ada.page, "needs you (1)");
  // The step is there already; saying so once more changes nothing.
  await openConflict(ada.page, "Soundings");
  await choice(ada.page, "Restore it with the edit").click();
  await expectBothSync(pair, "live");
  await expect(his.titles()).toHaveText(["Survey", "Route", "Walk the route", "Soundings", "Hire a boat"]);
});

pair("a settlement is taken back: the conflict waits again, and what stood before stands", async ({ pair }) => {
  const { ada, his } = pair;
  await disagree(pair);
  await openConflict(ada.page);
  await choice(ada.page, "Use mine").click();
  await expect(his.line("estimate")).toHaveValue("90");
  await expectBothSync(pair, "live");

  await ada.page.getByRole("button", { name: "Undo" }).click();
  await expect(his.line("estimate")).toHaveValue("120");
  await expectBothSync(pair, "needs you (1)");
  await expect(choice(ada.page, "Use mine")).toBeVisible();
});

pair("settled offline by either of them, it outlives a reload, arrives, and the other sees how", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  await disagree(pair);
  await bo.becomeReadyForOffline();
  await openConflict(bo.page);
  await bo.goOffline();
  await expectSync(bo.page, "offline");
  await choice(bo.page, "Use Ada’s edit").click();
  await expectSync(bo.page, "offline, 2 waiting");
  await bo.page.reload();
  await expect(bo.page.getByText(/^Settled\b/)).toBeVisible();
  await expectSync(bo.page, "offline, 2 waiting");
  await expectSync(ada.page, "needs you (1)");
  await expect(hers.line("estimate")).toHaveValue("120");

  await bo.goOnline();
  await expectBothSync(pair, "live");
  await openIt(bo.page);
  for (const screen of [hers, his]) await expect(screen.line("estimate")).toHaveValue("90");
  await openConflicts(ada.page);
  await expect(decided(ada.page)).toContainText("Ada and Bo both changed Estimate · used Ada’s value");
  await decided(ada.page).getByRole("link", { name: "Walk the route" }).click();
  await expect(ada.page.getByText("Settled by Bo: used Ada’s value.")).toBeVisible();
});

pair("several alike are settled at once, taken back at once, and then all of them", async ({ pair }) => {
  const { ada, bo, hers, his } = pair;
  const { page } = ada;
  await hers.addUnder("Route", "Mark the poles", "Count the culverts");
  await expect(his.row("Count the culverts")).toBeVisible();
  const estimate = async (screen: ProjectScreen, minutes: string, titles: string[]) => {
    for (const title of titles) {
      await screen.open(title);
      await screen.setLine("estimate", minutes);
    }
  };
  await apart(
    ada,
    bo,
    async () => {
      await his.remove("Count the culverts");
      await estimate(his, "120", ["Mark the poles", "Walk the route"]);
    },
    () => estimate(hers, "90", ["Mark the poles", "Walk the route", "Count the culverts"]),
  );
  await expectBothSync(pair, "needs you (3)");

  await openConflicts(page);
  await page.getByRole("checkbox", { name: "Choose Walk the route: Estimate" }).check();
  await page.getByRole("button", { name: "Choose similar ones" }).click();
  // The edit of a deleted task is not one of them.
  await expect(page.getByText("2 chosen")).toBeVisible();
  await page.getByRole("button", { name: "Use mine for chosen" }).click();
  await expect(page.getByText("Used mine for 2 conflicts.")).toBeVisible();
  await expect(waiting(page).getByRole("listitem")).toHaveCount(1);
  await expectBothSync(pair, "needs you (1)");
  await expect(his.line("estimate")).toHaveValue("90");

  await page.getByRole("button", { name: "Undo" }).click();
  await expect(waiting(page).getByRole("listitem")).toHaveCount(3);
  await expectBothSync(pair, "needs you (3)");
  await expect(his.line("estimate")).toHaveValue("120");

  await page.getByRole("button", { name: "Choose all" }).click();
  await page.getByRole("button", { name: "Keep theirs for chosen" }).click();
  await expect(page.getByText("Kept theirs for 3 conflicts.")).toBeVisible();
  await expect(page.getByText("Nothing waits for you.")).toBeVisible();
  await expect(decided(page).getByRole("listitem")).toHaveCount(3);
  await expectBothSync(pair, "live");
});

pair("whoever may only look is offered nothing that would be refused, and told whom to ask", async ({ pair }) => {
  const { ada, bo, his } = pair;
  const { page } = bo;
  await disagree(pair);
  const members = await ada.newTab("/members");
  await members.getByLabel("Role of Bo").selectOption({ label: "Viewer" });
  await expect(page.getByText("You can look at everything here.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Add phase" })).toHaveCount(0);
  await page.getByText("Keys in this list").click();
  await expect(page.getByText("Arrow keys move and fold")).not.toContainText("Delete");
  await his.row("Walk the route").focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("ArrowUp");
  await expect(his.row("Route")).toBeFocused();
  await expect(his.status("Walk the route")).toHaveValue("not_started");

  await openConflicts(page);
  await expect(page.getByText("You can look at everything here.")).toBeVisible();
  await expect(waiting(page).getByRole("link", { name: "Walk the route" })).toBeVisible();
  await expect(page.getByRole("checkbox")).toHaveCount(0);
  await expect(page.getByRole("button", { name: /chosen|Choose/ })).toHaveCount(0);
});

/** More than any of these pages has to walk through. */
const PRESSES_MAX = 60;

/** Presses a key until this has the focus. */
async function walkTo(target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  await expect(target).toBeVisible();
  const focused = () => target.evaluate((element) => element === document.activeElement);
  for (let presses = 0; presses < PRESSES_MAX && !(await focused()); presses += 1) {
    await target.page().keyboard.press(key);
  }
  await expect(target).toBeFocused();
}

pair("by keyboard alone it is found, combined, taken back and settled otherwise", async ({ pair }) => {
  const { ada, his } = pair;
  const { page } = ada;
  await disagree(pair);
  await ada.go("/");
  await walkTo(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Conflicts" }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await walkTo(waiting(page).getByRole("link", { name: "Walk the route" }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Walk the route" })).toBeVisible();
  await expect(page.getByRole("main")).toBeFocused();

  await walkTo(page.getByRole("radio", { name: "Theirs" }));
  // Theirs everywhere is nothing to combine.
  await expect(choice(page, "Combine")).toBeDisabled();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("radio", { name: "Mine" })).toBeChecked();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("radio", { name: "Write it together" })).toBeChecked();
  await walkTo(page.getByRole("textbox", { name: "Combined estimate" }));
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("100");
  await expect(page.getByText("In minutes: 1 h 40 min.")).toBeVisible();
  await walkTo(choice(page, "Combine"));
  await page.keyboard.press("Enter");
  await expect(his.line("estimate")).toHaveValue("100");
  await expectBothSync(pair, "live");

  await walkTo(page.getByRole("button", { name: "Undo" }));
  await page.keyboard.press("Enter");
  await expect(his.line("estimate")).toHaveValue("120");
  await walkTo(choice(page, "Keep theirs"), "Shift+Tab");
  await page.keyboard.press("Space");
  await expect(page.getByText("Settled by Ada: kept Bo’s value.")).toBeVisible();
  await expectBothSync(pair, "live");
});

/** Where in a row to let something go: it then stands above or below that row, or inside it. */
const ABOVE = { targetPosition: { x: 120, y: 4 } };
const BELOW = { targetPosition: { x: 120, y: 34 } };
const INTO = BELOW;

test("rows that both put elsewhere apart stand in the same order for both", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Route", "Walk", "Mark", "Count", "Dig");
  await expectSync(ada.page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Dig")).toBeVisible();
  await expectSync(bo.page, "live");

  await apart(
    ada,
    bo,
    async () => {
      await his.row("Count").dragTo(his.row("Walk"), ABOVE);
      await his.row("Dig").dragTo(his.row("Walk"), BELOW);
      await expect(his.titles()).toHaveText(["Survey", "Route", "Count", "Walk", "Dig", "Mark"]);
    },
    async () => {
      await hers.row("Mark").dragTo(hers.row("Walk"), ABOVE);
      await hers.row("Dig").dragTo(hers.row("Mark"), BELOW);
      await expect(hers.titles()).toHaveText(["Survey", "Route", "Mark", "Dig", "Walk", "Count"]);
      await expectSync(ada.page, "offline, 2 waiting");
    },
  );
  // Both put something first: the older of the two is. Both moved the same row: the later move stands.
  for (const screen of [hers, his]) {
    await expect(screen.titles()).toHaveText(["Survey", "Route", "Mark", "Count", "Dig", "Walk"]);
  }
  await expectBothSync({ ada, bo }, "live");
  await ada.page.reload();
  await expect(hers.titles()).toHaveText(["Survey", "Route", "Mark", "Count", "Dig", "Walk"]);
});

test("rows that both put under other parents apart stand under the same one for both", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await hers.addUnder("Survey", "Trench", "Landing");
  await hers.addUnder("Route", "Walk", "Mark");
  await expectSync(ada.page, "live");
  const his = await hers.on(bo.page);
  await expect(his.row("Mark")).toBeVisible();
  await expectSync(bo.page, "live");

  await apart(
    ada,
    bo,
    async () => {
      await his.row("Walk").dragTo(his.row("Trench"), INTO);
      await his.row("Mark").dragTo(his.row("Trench"), INTO);
      await expect(his.titles()).toHaveText(["Survey", "Route", "Trench", "Walk", "Mark", "Landing"]);
    },
    async () => {
      await hers.row("Mark").dragTo(hers.row("Walk"), ABOVE);
      await hers.row("Walk").dragTo(hers.row("Landing"), INTO);
      await expect(hers.titles()).toHaveText(["Survey", "Route", "Mark", "Trench", "Landing", "Walk"]);
    },
  );
  // Where both chose a step the later choice stands; where only one did, that one.
  for (const screen of [hers, his]) {
    await expect(screen.titles()).toHaveText(["Survey", "Route", "Trench", "Mark", "Landing", "Walk"]);
    await expect(screen.row("Route")).toContainText("0/0");
    await expect(screen.row("Trench")).toContainText("0/1");
    await expect(screen.row("Landing")).toContainText("0/1");
  }
  await expectBothSync({ ada, bo }, "live");
});
