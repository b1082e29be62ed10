// What a person does on the project screen, in their words.
import { expect, type Locator, type Page } from "@playwright/test";
import { expectAlive } from "./person.ts";

export class ProjectScreen {
  constructor(readonly page: Page) {}

  /** Makes a project with one phase, "Survey", and one step in it, "Route". */
  static async make(page: Page, title: string): Promise<ProjectScreen> {
    const screen = await ProjectScreen.makeEmpty(page, title);
    await screen.addPhase("Survey");
    await screen.addUnder("Survey", "Route");
    return screen;
  }

  /** Makes the project "North shore cable" with the task "Walk the route" in it, and waits until the server has it. */
  static async makeCable(page: Page): Promise<ProjectScreen> {
    const screen = await ProjectScreen.make(page, "North shore cable");
    await screen.addUnder("Route", "Walk the route");
    await expectSync(page, "live");
    return screen;
  }

  static async makeEmpty(page: Page, title: string): Promise<ProjectScreen> {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects" }).click();
    await page.getByLabel("Name of the new project").fill(title);
    await page.getByRole("button", { name: "New project" }).click();
    await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
    return new ProjectScreen(page);
  }

  /** The same project on somebody else's screen. */
  async on(page: Page): Promise<ProjectScreen> {
    await page.goto(new URL(this.page.url()).pathname.split("/").slice(0, 3).join("/"));
    await expectAlive(page);
    return new ProjectScreen(page);
  }

  row(title: string): Locator {
    return this.page.getByRole("row").filter({ has: this.page.getByRole("link", { name: title, exact: true }) });
  }

  async addPhase(title: string): Promise<void> {
    await this.page.getByRole("button", { name: "Add phase" }).click();
    await this.typeNew(title);
  }

  /** Adds a step to a phase, or a task to a step. */
  async addUnder(parent: string, ...titles: string[]): Promise<void> {
    await this.row(parent).getByRole("button", { name: /^Add / }).click();
    await this.typeNew(...titles);
  }

  private async typeNew(...titles: string[]): Promise<void> {
    const input = this.page.getByPlaceholder(/, Enter to add$/);
    for (const title of titles) {
      await input.fill(title);
      await input.press("Enter");
      await expect(this.row(title)).toBeVisible();
      await expect(input).toHaveValue("");
    }
    await input.press("Escape");
    await expect(input).toHaveCount(0);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.row(from).focus();
    await this.page.keyboard.press("Enter");
    const input = this.page.getByRole("row").getByLabel("Title", { exact: true });
    await input.fill(to);
    await input.press("Enter");
    await expect(this.row(to)).toBeVisible();
  }

  async remove(title: string): Promise<void> {
    await this.row(title).getByRole("button", { name: `Delete ${title}`, exact: true }).click();
    await expect(this.row(title)).toHaveCount(0);
  }

  /** The titles of the rows, from the top. */
  titles(): Locator {
    return this.page.locator(".tree-row .row-title");
  }

  status(title: string): Locator {
    return this.page.getByLabel(`Status of ${title}`, { exact: true });
  }

  /** Opens the panel of a record. */
  async open(title: string): Promise<Locator> {
    await this.row(title).getByRole("link", { name: title, exact: true }).click();
    const panel = this.page.getByRole("complementary").filter({ has: this.page.getByRole("heading", { name: title }) });
    await expect(panel).toBeVisible();
    return panel;
  }

  /** The editor of a field in the open panel, by the field's stored name. */
  field(name: string): Locator {
    return this.page.locator(`.panel [data-field="${name}"]`);
  }

  /** The one line of a field in the open panel. */
  line(name: string): Locator {
    return this.field(name).locator("input.input, select.input").first();
  }

  async setLine(name: string, value: string): Promise<void> {
    await this.line(name).fill(value);
    await this.line(name).press("Tab");
  }

  async choose(name: string, label: string): Promise<void> {
    await this.line(name).selectOption({ label });
  }

  async write(name: string, text: string): Promise<void> {
    await this.field(name).getByRole("button", { name: /^Edit/ }).click();
    await this.field(name).getByRole("textbox").fill(text);
    await this.field(name).getByRole("button", { name: "Save" }).click();
  }

  async addTag(word: string): Promise<void> {
    await this.field("tags").getByLabel("New tag").fill(word);
    await this.field("tags").getByRole("button", { name: "Add tag" }).click();
    await expect(this.field("tags").getByRole("listitem").filter({ hasText: word })).toBeVisible();
  }

  async addEntry(text: string): Promise<void> {
    await this.field("checklist").getByLabel("New checklist entry").fill(text);
    await this.field("checklist").getByRole("button", { name: "Add entry" }).click();
    await expect(this.field("checklist").getByRole("listitem").filter({ hasText: text })).toBeVisible();
  }
}

/** The one quiet state in the header. */
export async function expectSync(page: Page, words: string | RegExp): Promise<void> {
  await expect(page.getByTestId("sync-state")).toHaveText(words);
}
