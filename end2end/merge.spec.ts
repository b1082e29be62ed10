// Both edit the same field, apart: each rule once. Ada is offline and arrives later; Bo is connected.
import { expect, test } from "./fixtures.ts";
import { expectSync, ProjectScreen } from "./project.ts";
import type { Person } from "./person.ts";

interface Apart {
  ada: Person;
  bo: Person;
  hers: ProjectScreen;
  his: ProjectScreen;
  /** Ada comes back, and both are up to date. */
  meet: () => Promise<void>;
}

/** Ada and Bo with the panel of the same task open; Ada has no network. */
const apart = test.extend<{ apart: Apart }>({
  apart: async ({ member }, use) => {
    const ada = await member("Ada");
    const bo = await member("Bo");
    const hers = await ProjectScreen.make(ada.page, "North shore cable");
    await hers.addUnder("Route", "Walk the route");
    await hers.open("Walk the route");
    await hers.setLine("estimate", "60");
    await hers.write("description", "Start at the pier.\n\nTurn left at the mill.\n\nEnd at the pump house.");
    await expectSync(ada.page, "live");
    const his = await hers.on(bo.page);
    await his.open("Walk the route");
    await expect(his.line("estimate")).toHaveValue("60");
    await ada.goOffline();
    await expectSync(ada.page, "offline");
    const meet = async () => {
      await ada.goOnline();
      await expectSync(ada.page, /^(live|needs you)/);
    };
    await use({ ada, bo, hers, his, meet });
  },
});

apart("latest: the later stands, and the earlier can be restored", async ({ apart: { bo, hers, his, meet } }) => {
  await his.setLine("title", "Walk the coast");
  await expectSync(bo.page, "live");
  await hers.setLine("title", "Walk the ridge");
  await meet();
  for (const screen of [hers, his]) await expect(screen.line("title")).toHaveValue("Walk the ridge");
  await expectSync(bo.page, "live");
});

apart("furthest: the one further along stands", async ({ apart: { bo, hers, his, meet } }) => {
  await his.choose("status", "Done");
  await expectSync(bo.page, "live");
  await hers.choose("status", "In progress");
  await meet();
  for (const screen of [hers, his]) await expect(screen.line("status")).toHaveValue("done");
});

apart("highest: the higher progress stands", async ({ apart: { bo, hers, his, meet } }) => {
  await his.setLine("progress", "70");
  await expectSync(bo.page, "live");
  await hers.setLine("progress", "40");
  await meet();
  for (const screen of [hers, his]) await expect(screen.line("progress")).toHaveValue("70");
});

apart("union: what both added is there", async ({ apart: { bo, hers, his, meet } }) => {
  await his.addTag("coast");
  await expectSync(bo.page, "live");
  await hers.addTag("urgent");
  await meet();
  for (const screen of [hers, his]) {
    await expect(screen.field("tags").locator(".chip")).toHaveCount(2);
    await expect(screen.field("tags")).toContainText("coast");
    await expect(screen.field("tags")).toContainText("urgent");
  }
});

apart("append: no entry is overwritten", async ({ apart: { bo, hers, his, meet } }) => {
  await his.addEntry("Bring boots");
  await expectSync(bo.page, "live");
  await hers.addEntry("Bring maps");
  await meet();
  for (const screen of [hers, his]) {
    await expect(screen.field("checklist").getByRole("listitem")).toHaveCount(2);
  }
});

apart("text: paragraphs edited apart are both kept", async ({ apart: { bo, hers, his, meet } }) => {
  await his.write("description", "Start at the old pier.\n\nTurn left at the mill.\n\nEnd at the pump house.");
  await expectSync(bo.page, "live");
  await hers.write("description", "Start at the pier.\n\nTurn left at the mill.\n\nEnd at the new pump house.");
  await meet();
  for (const screen of [hers, his]) {
    await expect(screen.field("description")).toContainText("Start at the old pier.");
    await expect(screen.field("description")).toContainText("End at the new pump house.");
  }
});

apart("group: start and due win or lose together", async ({ apart: { bo, hers, his, meet } }) => {
  await his.setLine("start", "2027-03-01");
  await his.setLine("due", "2027-03-05");
  await expectSync(bo.page, "live");
  await hers.setLine("start", "2027-05-01");
  await hers.setLine("due", "2027-05-09");
  await meet();
  for (const screen of [hers, his]) {
    await expect(screen.line("start")).toHaveValue("2027-05-01");
    await expect(screen.line("due")).toHaveValue("2027-05-09");
  }
});

apart("ask: both versions wait for a person, side by side, and are settled", async ({ apart: { ada, bo, hers, his, meet } }) => {
  await his.setLine("estimate", "120");
  await expectSync(bo.page, "live");
  await hers.setLine("estimate", "90");
  await meet();
  await expectSync(ada.page, "needs you (1)");
  await expectSync(bo.page, "needs you (1)");
  await expect(his.line("estimate")).toHaveValue("120");

  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /Conflicts/ }).click();
  await ada.page.getByRole("link", { name: /Walk the route/ }).first().click();
  await expect(ada.page.getByRole("main")).toContainText("1 h 30 min");
  await expect(ada.page.getByRole("main")).toContainText("2 h");
  for (const author of ["Ada", "Bo"]) {
    await expect(ada.page.getByText(new RegExp(`^${author} · .* · Chrome on `))).toBeVisible();
  }
  await ada.page.getByRole("button", { name: "Use mine", exact: true }).click();
  await expectSync(ada.page, "live");
  await expectSync(bo.page, "live");
  await expect(his.line("estimate")).toHaveValue("90");
});

apart("delete against edit: the delete stands, and the edit is kept to be restored", async ({ apart: { ada, bo, hers, his, meet } }) => {
  await his.remove("Walk the route");
  await expectSync(bo.page, "live");
  await hers.setLine("title", "Walk the ridge");
  await meet();
  await expectSync(ada.page, "needs you (1)");

  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /Conflicts/ }).click();
  await ada.page.getByRole("link", { name: /Walk the r/ }).first().click();
  await expect(ada.page.getByRole("main")).toContainText("Ada edited Title after Bo had deleted it");
  await expect(ada.page.getByRole("button", { name: "Restore it with the edit" })).toBeVisible();
  await expect(his.row("Walk the route")).toHaveCount(0);
});

apart("a tree made under a deleted parent is kept whole and can be restored", async ({ apart: { ada, bo, hers, his, meet } }) => {
  await his.remove("Survey");
  await expectSync(bo.page, "live");
  await hers.addUnder("Survey", "Soundings");
  await hers.addUnder("Soundings", "Hire a boat");
  await meet();
  await expectSync(ada.page, /^needs you/);
  await expect(hers.row("Survey")).toHaveCount(0);
  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /Conflicts/ }).click();
  await expect(ada.page.getByRole("main")).toContainText("Soundings");
});
