// The dashboard: who did what, how the workspace's devices stand, and arranging it by hand.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { PASSWORD } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

function widget(page: Page, name: string): Locator {
  return page.getByRole("region", { name, exact: true });
}

async function toDashboard(page: Page): Promise<void> {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Dashboard" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Dashboard" })).toBeVisible();
}

test("what one person does shows up with their name on another's dashboard, and one's own while it waits", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.makeCable(ada.page);

  const his = widget(bo.page, "Recent activity");
  await expect(his.getByRole("listitem").first()).toContainText("Ada added the task Walk the route");
  await hers.status("Walk the route").selectOption({ label: "Done" });
  await expect(his.getByRole("listitem").first()).toContainText("Ada set the status of Walk the route to done");
  await expect(his.getByRole("listitem").first()).toContainText("just now · North shore cable");
  // The server draws the same.
  await bo.go("/");
  await expect(his.getByRole("listitem").first()).toContainText("Ada set the status of Walk the route to done");
  await his.getByRole("link", { name: "Walk the route" }).first().click();
  await expect(bo.page.getByRole("heading", { name: "Walk the route" })).toBeVisible();
  await toDashboard(bo.page);

  await bo.goOffline();
  await hers.rename("Walk the route", "Walk the whole route");
  const theirs = await hers.on(bo.page).catch(() => undefined);
  expect(theirs, "the page is served without a network").toBeDefined();
  await theirs!.status("Walk the route").selectOption({ label: "Blocked" });
  await expectSync(bo.page, "offline, 1 waiting");
  await toDashboard(bo.page);
  await expect(his.getByRole("listitem").first()).toContainText("You set the status of Walk the route to blocked");
  await expect(his.getByRole("listitem").first()).toContainText("On this device, not sent yet");
  await expect(widget(bo.page, "Workspace sync")).toContainText("Who else is connected is not known without a connection.");

  await bo.goOnline();
  await expectSync(bo.page, "live");
  await expect(his.getByRole("listitem").first()).toContainText("You set the status of Walk the whole route to blocked");
  await expect(his).not.toContainText("not sent yet");
  await expect(his).toContainText("Ada renamed Walk the whole route");
});

test("the sync state says who else is connected, and what waits for an owner", async ({ member }) => {
  const ada = await member("Ada");
  const sync = widget(ada.page, "Workspace sync");
  await expect(sync).toContainText("No other device is connected now.");
  await expect(sync).toContainText("This device: live");
  const bo = await member("Bo");
  await expect(sync).toContainText("One other device is connected now.");
  await expect(sync.getByRole("listitem").filter({ hasText: "Bo" })).toContainText("connected");

  const his = await ProjectScreen.make(bo.page, "North shore cable");
  await expectSync(bo.page, "live");
  await bo.goOffline();
  await his.addUnder("Route", "Count the culverts");
  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  await ada.page.getByRole("button", { name: "Remove Bo" }).click();
  await ada.page.getByRole("button", { name: "Remove from the workspace" }).click();
  await bo.goOnline();
  await expectSync(bo.page, /^no longer a member/);
  await toDashboard(ada.page);
  await expect(sync).toContainText("1 edit of a removed member waits for an owner to review");
  await expect(sync).toContainText("No other device is connected now.");
});

test("a widget is dragged to another place, and back by undoing", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await expectSync(page, "live");
  await page.getByRole("button", { name: "Arrange" }).click();
  const names = () => page.locator(".widgets h2").allTextContents();
  await expect(page.getByRole("button", { name: "Move My tasks on" })).toBeVisible();
  const before = await names();
  const [first, second, third, ...rest] = before;

  const mine = page.locator(".widget").nth(0);
  const target = page.locator(".widget").nth(2);
  const corner = { targetPosition: { x: 8, y: 8 } };
  await mine.dragTo(target, { sourcePosition: { x: 60, y: 20 }, ...corner });
  await expect.poll(names).toEqual([second, first, third, ...rest]);
  await expectSync(page, "live");
  await ada.go("/");
  await expect.poll(names).toEqual([second, first, third, ...rest]);

  // Escape leaves it where it is.
  await page.getByRole("button", { name: "Arrange" }).click();
  await expect(page.getByRole("button", { name: "Move My tasks on" })).toBeVisible();
  const box = async (nth: number) => (await page.locator(".widget").nth(nth).boundingBox())!;
  const from = await box(0);
  const to = await box(2);
  await page.mouse.move(from.x + 60, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(from.x + 80, from.y + 30, { steps: 4 });
  await page.mouse.move(to.x + 8, to.y + 8, { steps: 4 });
  // The browser tells where something is held from the second move over it on.
  await page.mouse.move(to.x + 9, to.y + 9);
  await expect(page.locator('.widget[data-drag="before"]')).toHaveCount(1);
  await page.keyboard.press("Escape");
  await expect(page.locator('.widget[data-drag="before"], .widget[data-drag="held"]')).toHaveCount(0);
  await page.mouse.up();
  expect(await names()).toEqual([second, first, third, ...rest]);

  await page.locator(".widget").nth(1).dragTo(page.locator(".widget").nth(0), { sourcePosition: { x: 60, y: 20 }, ...corner });
  await expect.poll(names).toEqual(before);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(names).toEqual([second, first, third, ...rest]);
});

test("all of one's tasks can be shown, and a double click finishes one of them", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const project = await ProjectScreen.make(page, "North shore cable");
  const titles = Array.from({ length: 9 }, (_, nth) => `Mark pole ${nth + 1}`);
  await project.addUnder("Route", ...titles);
  for (const title of titles) {
    await project.open(title);
    await project.choose("assignees", "Ada");
    await expect(project.field("assignees").getByRole("listitem")).toHaveText(/Ada/);
  }
  await expectSync(page, "live");
  await toDashboard(page);
  const mine = widget(page, "My tasks");
  const done = mine.getByRole("button", { name: /^Mark .* as done$/ });
  await expect(done).toHaveCount(8);
  await mine.getByRole("button", { name: "Show 1 more" }).press("Enter");
  await expect(done).toHaveCount(9);
  await expect(mine.getByRole("link").last()).toBeFocused();
  await done.first().dblclick();
  await expect(done).toHaveCount(8);
  await expect(done.first()).toBeFocused();
  await expectSync(page, "live");
  await expect(done).toHaveCount(8);
});

test("widgets are moved and removed by keyboard, and all of them stay away", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await expectSync(page, "live");
  await page.getByRole("button", { name: "Arrange" }).click();
  const on = page.getByRole("button", { name: "Move My tasks on" });
  await on.press("Enter");
  await expect(page.getByRole("status").getByText("My tasks, 2 of 5")).toBeVisible();
  await expect(on).toBeFocused();
  await on.press("Enter");
  await expect(page.getByRole("status").getByText("My tasks, 3 of 5")).toBeVisible();
  await expect(on).toBeFocused();

  const remove = page.getByRole("button", { name: /^Remove / });
  await page.getByRole("button", { name: "Remove My tasks" }).press("Enter");
  await expect(page.getByText("Removed “My tasks”.")).toBeVisible();
  await expect(remove).toHaveCount(4);
  await expect(remove.nth(2)).toBeFocused();
  for (let left = 4; left > 0; left -= 1) {
    await remove.first().press("Enter");
    await expect(remove).toHaveCount(left - 1);
  }
  await expect(page.getByRole("button", { name: "Done", exact: true })).toBeFocused();
  await page.getByRole("button", { name: "Done", exact: true }).press("Enter");
  await expect(page.getByText("Nothing is on your dashboard.")).toBeVisible();
  await expectSync(page, "live");
  await ada.go("/");
  await expect(page.getByText("Nothing is on your dashboard.")).toBeVisible();
  await expect(page.locator(".widget")).toHaveCount(0);
});

test("a list that has not arrived says so, and is not called empty", async ({ member, stranger }) => {
  const ada = await member("Ada");
  await expectSync(ada.page, "live");
  const tablet = await stranger("Tablet");
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  await tablet.holdEditsBack();
  await tablet.go("/");
  await expectSync(tablet.page, "offline");
  // The server has drawn all of these.
  await expect(tablet.page.getByText("No open task is yours.")).toBeVisible();
  await tablet.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Notes" }).click();
  await expect(tablet.page.getByText("What belongs here is not on this device yet. It comes with the connection.")).toBeVisible();
  await expect(tablet.page.getByText("No notes yet.")).toHaveCount(0);

  // And of these nothing but the notes.
  await tablet.go("/notes");
  await expectSync(tablet.page, "offline");
  await expect(tablet.page.getByText("No notes yet.")).toBeVisible();
  await tablet.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Dashboard" }).click();
  const tasks = tablet.page.locator(".my-tasks");
  await expect(tasks.getByText("What belongs here is not on this device yet. It comes with the connection.")).toBeVisible();
  await expect(tablet.page.getByText("No open task is yours.")).toHaveCount(0);
  await tablet.letEditsThrough();
  await expect(tasks.getByText("No open task is yours.")).toBeVisible();
  await expectSync(tablet.page, "live");
});

test("a project made without a connection is empty, and one that is nowhere says so", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await expectSync(page, "live");
  await ada.go("/project/0190a0b0-0000-7000-8000-000000000000");
  await expect(page.getByRole("heading", { level: 1, name: "This project is not here" })).toBeVisible();
  await expect(page).toHaveTitle(/This project is not here/);
  await page.getByRole("link", { name: "All projects" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Projects" })).toBeVisible();
  await ada.goOffline();
  await ProjectScreen.makeEmpty(page, "North shore cable");
  await expect(page.getByText("Nothing here yet.")).toBeVisible();
  await ada.goOnline();
  await expectSync(page, "live");
  await expect(page.getByText("Nothing here yet.")).toBeVisible();
});
