// What somebody has begun to write and not sent.
import { expect, test } from "./fixtures.ts";
import { expectAlive, PASSWORD } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

test("a description that is left with Escape is kept, and is there again", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await hers.write("description", "Start at the pier.");
  await expectSync(page, "live");

  const description = hers.field("description");
  const edit = description.getByRole("button", { name: "Edit description" });
  const text = description.getByRole("textbox");
  await edit.click();
  await text.fill("Start at the mill.");
  await text.press("Escape");
  await expect(page.getByText("Not saved. What you wrote is kept here until you come back to it.")).toBeVisible();
  await expect(description).toContainText("Start at the pier.");
  await edit.click();
  await expect(text).toHaveValue("Start at the mill.");
  await text.press("Escape");
  await page.reload();
  await expectAlive(page);
  await expect(text).toHaveValue("Start at the mill.");
  // Only this throws it away.
  await description.getByRole("button", { name: "Cancel" }).click();
  await expect(description).toContainText("Start at the pier.");
  await page.reload();
  await expectAlive(page);
  await expect(description).toContainText("Start at the pier.");
  await expect(text).toHaveCount(0);
});

test("half-made entries are there after a reload, and no longer once they are made", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await expectSync(page, "live");
  const tag = hers.field("tags").getByLabel("New tag");
  const entry = hers.field("checklist").getByLabel("New checklist entry");
  const time = page.locator(".time-form");
  await expect(time.getByLabel("Day")).toHaveValue(/^\d{4}-\d\d-\d\d$/);
  await tag.fill("coast");
  await entry.fill("Bring boots");
  await time.getByLabel("Day").fill("2027-03-01");
  await time.getByLabel("Minutes").fill("1h 30m");
  await time.getByLabel("Note").fill("Walked it");

  await page.reload();
  await expectAlive(page);
  await expect(tag).toHaveValue("coast");
  await expect(entry).toHaveValue("Bring boots");
  await expect(time.getByLabel("Day")).toHaveValue("2027-03-01");
  await expect(time.getByLabel("Minutes")).toHaveValue("1h 30m");
  await expect(time.getByLabel("Note")).toHaveValue("Walked it");
  await tag.press("Enter");
  await entry.press("Enter");
  await time.getByRole("button", { name: "Log time" }).click();
  await expect(hers.field("tags").getByRole("listitem")).toContainText("coast");
  await expect(hers.field("checklist").getByRole("listitem")).toContainText("Bring boots");
  await expect(page.locator("li.entry")).toContainText("1 Mar 2027 · 1 h 30 min · ");
  await expectSync(page, "live");

  await page.reload();
  await expectAlive(page);
  await expect(page.locator("li.entry")).toBeVisible();
  for (const input of [tag, entry, time.getByLabel("Minutes"), time.getByLabel("Note")]) await expect(input).toHaveValue("");
});

test("the title of a note that is not made yet outlives a session that ended in another tab", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await ada.go("/notes");
  await expectSync(page, "live");
  const title = page.getByLabel("Title of the new note");
  await title.fill("Tides in March");
  const other = await ada.newTab("/sync");
  await other.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  await ada.call("sign-in", { email: ada.email, password: PASSWORD });
  await ada.go("/notes");
  await expect(title).toHaveValue("Tides in March");
  await page.getByRole("button", { name: "New note" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Tides in March" })).toBeVisible();
  await ada.go("/notes");
  await expect(title).toHaveValue("");
});

test("a comment sent from one tab leaves another tab's unfinished one", async ({ member }) => {
  const ada = await member("Ada");
  const hers = await ProjectScreen.makeCable(ada.page);
  await hers.open("Walk the route");
  await expectSync(ada.page, "live");
  await ada.page.getByLabel("New comment").fill("The gate is locked.");
  const other = await ada.newTab(new URL(ada.page.url()).pathname);
  await expect(other.getByLabel("New comment")).toHaveValue("The gate is locked.");
  await other.getByLabel("New comment").fill("The gate is open again.");
  await ada.page.getByRole("button", { name: "Comment", exact: true }).click();
  await expect(other.locator("li.comment")).toContainText("The gate is locked.");
  await other.reload();
  await expectAlive(other);
  await expect(other.getByLabel("New comment")).toHaveValue("The gate is open again.");
});

test("a browser with no room for unfinished text says so", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await page.evaluate(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("no room", "QuotaExceededError");
    };
  });
  const says = page.getByText("This browser has no room to keep what you type here");
  await page.getByLabel("New comment").fill("The gate is locked.");
  await expect(says).toBeVisible();
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  await expect(says).toBeHidden();
  await hers.field("description").getByRole("button", { name: /^Edit/ }).click();
  await hers.field("description").getByRole("textbox").fill("Start at the pier.");
  await expect(says).toBeVisible();
});

test("what is too long is said and stays, and a tag that is there is not made twice", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.addUnder("Route", "Count the culverts");
  await hers.open("Walk the route");
  const words = "a".repeat(15_000);
  await page.getByLabel("New comment").fill(words);
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  await expect(page.getByText(/15,?000 characters; at most 10,?000 fit/)).toBeVisible();
  await expect(page.getByLabel("New comment")).toHaveValue(words);

  await hers.addTag("coast");
  const panel = await hers.open("Count the culverts");
  await expect(panel).toBeVisible();
  await hers.field("tags").getByLabel("New tag").fill("Coast");
  await hers.field("tags").getByRole("button", { name: "Add tag" }).click();
  await expect(hers.field("tags").getByRole("listitem")).toHaveText(/coast/);
  await hers.field("tags").getByRole("button", { name: "Remove coast" }).click();
  await expect(hers.field("tags").getByRole("option", { name: /coast/i })).toHaveCount(1);
});

test("an estimate is read in hours too", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  await hers.open("Walk the route");
  await expect(hers.field("estimate")).toContainText("Estimate, minutes");
  await hers.setLine("estimate", "1.5h");
  await expect(hers.line("estimate")).toHaveValue("90");
  await expect(hers.field("estimate")).toContainText("1 h 30 min");
  await hers.setLine("estimate", "soon");
  await expect(hers.field("estimate")).toContainText("such as 30, or hours, such as 1h 30m");
  await hers.line("estimate").press("Escape");
  await expect(hers.line("estimate")).toHaveValue("90");
});
