// Where the focus is after what has it was taken away: where the work goes on, never at the top of the document.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";

/** Presses something by keyboard. */
async function press(button: Locator): Promise<void> {
  await button.focus();
  await button.press("Enter");
}

/** The focus is on something inside this, or on it. */
async function expectFocusWithin(place: Locator): Promise<void> {
  await expect.poll(() => place.evaluate((element) => element.contains(document.activeElement))).toBe(true);
}

async function comment(page: Page, words: string): Promise<void> {
  await page.getByLabel("New comment").fill(words);
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  await expect(page.locator("li.comment").filter({ hasText: words })).toBeVisible();
}

test("a description that is saved, cancelled or left gives the focus to its button", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  const description = hers.field("description");
  const edit = description.getByRole("button", { name: "Edit description" });
  const text = description.getByRole("textbox");

  await press(edit);
  await expect(text).toBeFocused();
  await page.keyboard.type("Start at the pier.");
  await page.keyboard.press("Control+Enter");
  await expect(edit).toBeFocused();
  await expect(description).toContainText("Start at the pier.");

  await press(edit);
  await expect(text).toBeFocused();
  await press(description.getByRole("button", { name: "Save" }));
  await expect(edit).toBeFocused();
  await press(edit);
  await expect(text).toBeFocused();
  await press(description.getByRole("button", { name: "Cancel" }));
  await expect(edit).toBeFocused();
  await press(edit);
  await expect(text).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(edit).toBeFocused();
});

test("what is removed leaves the focus to what comes next, and then to what it was in", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await hers.addTag("coast");
  await hers.addTag("winter");
  await hers.addEntry("Bring boots");
  await hers.addEntry("Bring a map");
  await comment(page, "The gate is locked.");
  await comment(page, "It is open now.");

  const tags = hers.field("tags");
  await press(tags.getByRole("button", { name: /^Remove / }).first());
  await expect(tags.getByRole("listitem")).toHaveCount(1);
  await expect(tags.getByRole("listitem")).toBeFocused();
  // Another Enter removes nothing; the next Tab goes on from there.
  await page.keyboard.press("Tab");
  await expect(tags.getByRole("button", { name: /^Remove / })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(tags.getByRole("listitem")).toHaveCount(0);
  await expectFocusWithin(tags);

  const checklist = hers.field("checklist");
  await press(checklist.getByRole("button", { name: "Remove Bring boots" }));
  await expect(checklist.getByRole("listitem")).toHaveCount(1);
  await expect(checklist.getByRole("listitem")).toBeFocused();

  const comments = page.locator("li.comment");
  await press(comments.first().getByRole("button", { name: "Delete this comment" }));
  await expect(comments).toHaveCount(1);
  await expect(comments).toBeFocused();
  await press(comments.getByRole("button", { name: "Delete this comment" }));
  await expect(comments).toHaveCount(0);
  await expectFocusWithin(page.getByRole("region", { name: "Comments" }));
});

test("what asks the server keeps the focus while it waits", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await expectSync(page, "live");
  const answer = await ada.holdAnswers("**/api/history");
  const asked = page.waitForRequest("**/api/history");
  await press(page.getByRole("button", { name: "Show history" }));
  await asked;
  await expect(page.getByRole("button", { name: "Show history" })).toBeFocused();
  await answer();
  await expect(page.getByRole("button", { name: "Show what is new" })).toBeFocused();

  // What was shown stays where the next question is not answered.
  const history = page.getByRole("region", { name: "History" });
  const lines = await history.getByRole("listitem").count();
  expect(lines).toBeGreaterThan(0);
  ada.gatewayAnswers("/api/history", 503);
  await page.keyboard.press("Enter");
  await expect(history.locator(".field-error")).toBeVisible();
  await expect(history.getByRole("listitem")).toHaveCount(lines);
  ada.gatewayAnswers("/api/history", undefined);

  await ada.go("/members");
  const make = page.getByRole("button", { name: "Make an invitation" });
  await press(make);
  await expect(page.getByLabel(/^Send them this link/)).toBeVisible();
  await expect(make).toBeFocused();
  await press(page.getByRole("button", { name: "Show open invitations" }));
  const open = page.getByRole("list", { name: "Open invitations" });
  await press(open.getByRole("button", { name: /^Withdraw/ }));
  await expect(open.getByRole("button", { name: /^Keep it/ })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(open.getByRole("button", { name: /^Withdraw/ })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(open.getByRole("button", { name: /^Keep it/ })).toBeFocused();
  await press(open.getByRole("button", { name: /^Withdraw it/ }));
  await expect(page.getByText("No invitation is open.")).toBeVisible();
  await expectFocusWithin(page.getByRole("main"));
});
