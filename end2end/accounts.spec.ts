// Coming, going, being invited and being removed.
import { expect, test } from "./fixtures.ts";
import { expectAlive, PASSWORD, type Person } from "./person.ts";
import { expectSync, ProjectScreen } from "./project.ts";

async function signUp(person: Person): Promise<void> {
  const { page } = person;
  await expectAlive(page);
  await page.getByLabel("Your name").fill(person.name);
  await page.getByLabel("Email").fill(person.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
}

/** Makes an invitation, by form, and returns its path. */
async function invite(owner: Person, email = ""): Promise<string> {
  const me = await owner.call<{ viewer: { member: string } }>("me", {});
  const form = { member: me.viewer.member, role: "member", email };
  return (await owner.call<{ path: string }>("invitation/create", form)).path;
}

async function follow(person: Person, link: string, heading: string): Promise<void> {
  await person.page.getByRole("link", { name: link, exact: true }).click();
  // Keyboards and screen readers begin there.
  await expect(person.page.getByRole("heading", { level: 1, name: heading })).toBeFocused();
}

test("a newcomer makes an account and a workspace, and invites a second person", async ({ stranger }) => {
  const ada = await stranger("Ada");
  await ada.go("/sign-in");
  await ada.page.getByRole("link", { name: "Make an account" }).click();
  await expect(ada.page.getByRole("heading", { name: "Make an account" })).toBeVisible();
  await signUp(ada);
  await expect(ada.page.getByRole("heading", { name: "Workspaces", exact: true })).toBeVisible();
  await expectAlive(ada.page);
  await ada.page.getByLabel("Name of the workspace").fill("Harbour works");
  await ada.page.getByRole("button", { name: "Make the workspace" }).click();
  await expectSync(ada.page, "live");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");

  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  await ada.page.getByRole("button", { name: "Make an invitation" }).click();
  const invitation = await ada.page.getByLabel(/^Send them this link/).inputValue();

  const bo = await stranger("Bo");
  await bo.go(new URL(invitation, ada.page.url()).pathname);
  await expect(bo.page.getByRole("main")).toContainText("Harbour works");
  await bo.page.getByRole("link", { name: "Make an account" }).click();
  await expect(bo.page.getByRole("heading", { name: "Make an account" })).toBeVisible();
  await signUp(bo);
  await expect(bo.page.getByText(`You are signed in as ${bo.email}`)).toBeVisible();
  await expectAlive(bo.page);
  await bo.page.getByRole("button", { name: "Accept the invitation" }).click();
  await bo.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Projects" }).click();
  await bo.page.getByRole("link", { name: "North shore cable" }).click();
  await expect(new ProjectScreen(bo.page).row("Route")).toBeVisible();
  await expect(hers.page.getByRole("list", { name: "Members" })).toContainText("Bo");
});

test("edits of a removed member are quarantined for an owner, who applies them", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const hers = await ProjectScreen.make(ada.page, "North shore cable");
  await expectSync(ada.page, "live");
  const project = ada.page.url();
  const his = await hers.on(bo.page);
  await expect(his.row("Route")).toBeVisible();

  await bo.goOffline();
  await his.addUnder("Route", "Count the culverts");
  await expectSync(bo.page, "offline, 1 waiting");

  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  await ada.page.getByRole("button", { name: "Remove Bo" }).click();
  await ada.page.getByRole("button", { name: "Remove from the workspace" }).click();
  await expect(ada.page.getByText("Removed. Edits they had not sent are quarantined until an owner decides.")).toBeVisible();

  await bo.goOnline();
  await expectSync(bo.page, /^no longer a member/);
  await ada.page.getByRole("button", { name: "Show quarantined edits" }).click();
  await expect(ada.page.getByRole("list", { name: "Quarantined edits" })).toContainText("by Bo");
  await expect(ada.page.getByRole("list", { name: "Quarantined edits" })).toContainText("New task: “Count the culverts”");
  await ada.page.getByRole("button", { name: "Apply it" }).click();
  await ada.go(project);
  await expect(hers.row("Count the culverts")).toBeVisible();
});

test("an owner sees what a quarantined edit changes, and is asked before it is discarded", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  const { page } = ada;
  const hers = await ProjectScreen.makeCable(page);
  const his = await hers.on(bo.page);
  await his.open("Walk the route");
  await bo.goOffline();
  await his.setLine("estimate", "90");
  await his.setLine("title", "Walk the coast");
  await expectSync(bo.page, "offline, 2 waiting");

  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  const members = page.getByRole("list", { name: "Members" });
  await expect(members).toContainText("The only owner.");
  await expect(members.getByLabel("Role of Ada")).toHaveCount(0);
  await members.getByRole("button", { name: "Remove Bo" }).click();
  await members.getByRole("button", { name: "Remove from the workspace" }).click();
  await expect(page.getByText("Removed. Edits they had not sent")).toBeVisible();
  await bo.goOnline();
  await expectSync(bo.page, /^no longer a member/);

  const held = page.getByRole("list", { name: "Quarantined edits" }).getByRole("listitem");
  // His browser knows that he was removed before it has handed in what it held.
  await expect(async () => {
    await page.getByRole("button", { name: "Show quarantined edits" }).click();
    await expect(held).toHaveCount(2, { timeout: 1_000 });
  }).toPass();
  await expect(held.first()).toContainText("Estimate of “Walk the route”: nothing → 1 h 30 min");
  await expect(held.last()).toContainText("Title of “Walk the route”: Walk the route → Walk the coast");
  const discard = held.first().getByRole("button", { name: /^Discard it/ });
  await discard.focus();
  await discard.press("Enter");
  await expect(held.first().getByRole("button", { name: /^Keep it/ })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(discard).toBeFocused();
  await discard.press("Enter");
  await held.first().getByRole("button", { name: /^Discard for good/ }).click();
  // The focus is on the next row, not on its buttons.
  await expect(held).toHaveCount(1);
  await expect(held).toBeFocused();
  await expect(held).toContainText("Walk the coast");
});

test("one sees where one is signed in, signs out there, and changes the password", async ({ member, stranger }) => {
  const next = "pebbles under the pier";
  const ada = await member("Ada");
  await expectSync(ada.page, "live");
  const tablet = await stranger("Tablet");
  await tablet.call("sign-in", { email: ada.email, password: PASSWORD });
  await tablet.go("/sync");
  await expectSync(tablet.page, "live");

  await ada.go("/sync");
  await ada.page.getByRole("button", { name: "Show where you are signed in" }).click();
  const devices = ada.page.getByRole("list", { name: "Your devices" });
  await expect(devices.getByRole("listitem").filter({ hasText: "(this device)" })).toHaveCount(1);
  const places = ada.page.getByRole("list", { name: "Browsers you are signed in on" });
  await expect(places.getByRole("listitem")).toHaveCount(2);
  await expect(places).toContainText("(this browser)");
  await places.getByRole("button", { name: /^Sign out of / }).click();
  await places.getByRole("button", { name: "Sign out there" }).click();
  await expect(places.getByRole("listitem")).toHaveCount(1);
  await expect(tablet.page.getByTestId("sync-state")).toHaveText(/signed out/);

  await ada.page.getByLabel("Password as it is now").fill(PASSWORD);
  await ada.page.getByLabel("New password").fill(next);
  await ada.page.getByRole("button", { name: "Change the password" }).click();
  await expect(ada.page.getByText("The password was changed")).toBeVisible();
  await expect(ada.page.getByLabel("New password")).toHaveValue("");
  await expectSync(ada.page, "live");
  await tablet.call("sign-in", { email: ada.email, password: next });
});

test("an invitation nobody has used can be withdrawn, and its link opens nothing", async ({ member, stranger }) => {
  const ada = await member("Ada");
  await expectSync(ada.page, "live");
  await ada.go("/members");
  await ada.page.getByLabel("Email, if only they may use it").fill("carl@example.com");
  await ada.page.getByRole("button", { name: "Make an invitation" }).click();
  const invitation = await ada.page.getByLabel(/^Send them this link/).inputValue();
  await ada.page.getByRole("button", { name: "Show open invitations" }).click();
  const open = ada.page.getByRole("list", { name: "Open invitations" });
  await expect(open).toContainText("carl@example.com, as member");
  await open.getByRole("button", { name: "Withdraw the invitation for carl@example.com" }).click();
  await open.getByRole("button", { name: "Withdraw it" }).click();
  await expect(ada.page.getByText("No invitation is open.")).toBeVisible();

  const carl = await stranger("Carl");
  await carl.page.goto(new URL(invitation, ada.page.url()).pathname);
  await expect(carl.page.getByRole("alert").first()).toContainText("no longer valid");
});

test("an invitation is come back to, whichever way one comes in", async ({ member, stranger }) => {
  const ada = await member("Ada");
  const bo = await stranger("Bo");
  await bo.call("sign-up", { name: bo.name, email: bo.email, password: PASSWORD });
  await bo.call("sign-out", {});
  await bo.go(await invite(ada));
  await follow(bo, "Make an account", "Make an account");
  await follow(bo, "Sign in", "Sign in");
  await bo.signIn();
  await expect(bo.page.getByText(`You are signed in as ${bo.email}`)).toBeVisible();
  await expectAlive(bo.page);
  await bo.page.getByRole("button", { name: "Accept the invitation" }).click();
  await expectSync(bo.page, "live");

  const carl = await stranger("Carl");
  await carl.go(await invite(ada));
  await follow(carl, "Sign in", "Sign in");
  await follow(carl, "Make an account", "Make an account");
  await signUp(carl);
  await expect(carl.page.getByText(`You are signed in as ${carl.email}`)).toBeVisible();
});

test("an account made before the page is alive leads on to where a workspace begins, and signing out from there", async ({ stranger }) => {
  const ada = await stranger("Ada");
  const { page } = ada;
  await ada.holdAnswers("**/pkg/*.wasm");
  await page.goto("/sign-up");
  await page.getByLabel("Your name").fill(ada.name);
  await page.getByLabel("Email").fill(ada.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await expect(page.getByText("You are in no workspace yet.")).toBeVisible();

  // Whoever is signed in is not asked to sign in.
  const tab = await stranger("Tablet");
  await tab.call("sign-in", { email: ada.email, password: PASSWORD });
  await tab.go("/projects");
  await expect(tab.page.getByRole("heading", { level: 1, name: "Workspaces", exact: true })).toBeVisible();
  await expect(tab.page.getByText(`You are signed in as ${ada.email}`)).toBeVisible();
  await tab.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(tab.page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
});

test("an invitation says where one stands: in the workspace already, or as somebody it is not for", async ({ member, stranger }) => {
  const ada = await member("Ada");
  await expectSync(ada.page, "live");
  const anybody = await invite(ada);
  await ada.go(anybody);
  await expect(ada.page.getByText("You are in this workspace already.")).toBeVisible();
  await expect(ada.page.getByRole("button", { name: "Accept the invitation" })).toHaveCount(0);
  await ada.page.getByRole("link", { name: "To the dashboard" }).click();
  await expectSync(ada.page, "live");

  const bo = await stranger("Bo");
  await bo.call("sign-up", { name: bo.name, email: bo.email, password: PASSWORD });
  const carl = await stranger("Carl");
  const his = await invite(ada, carl.email);
  await bo.go(his);
  await expect(bo.page.getByText(`It is for ${carl.email}. You are signed in as ${bo.email}.`)).toBeVisible();
  await follow(bo, "Use another account", "Sign in");
  await bo.signIn();
  await expect(bo.page.getByRole("link", { name: "Use another account" })).toBeVisible();
  // Nobody has used the first.
  await bo.go(anybody);
  await bo.page.getByRole("button", { name: "Accept the invitation" }).click();
  await expectSync(bo.page, "live");
});

test("somebody who was removed reads so after a reload, and can sign out", async ({ member }) => {
  const ada = await member("Ada");
  const bo = await member("Bo");
  await expectSync(bo.page, "live");
  await ada.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Members" }).click();
  await ada.page.getByRole("button", { name: "Remove Bo" }).click();
  bo.expectRefusals();
  await ada.page.getByRole("button", { name: "Remove from the workspace" }).click();
  await expectSync(bo.page, /^no longer a member/);
  await bo.page.reload();
  await expect(bo.page.getByText("You are in no workspace any more.")).toBeVisible();
  await expect(bo.page.getByText(`You are signed in as ${bo.email}`)).toBeVisible();
  await expectAlive(bo.page);
  await bo.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(bo.page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
});

test("the question before another workspace opens has the focus, and Escape leaves it", async ({ member }) => {
  const ada = await member("Ada");
  const { page } = ada;
  await ada.call("workspace/create", { name: "Lighthouse" });
  await ada.go("/");
  await expectSync(page, "live");
  const project = await ProjectScreen.make(page, "North shore cable");
  await expectSync(page, "live");
  await ada.holdEditsBack();
  await project.addUnder("Route", "Count the culverts");
  await follow(ada, "Workspace Lighthouse, switch", "Workspaces");
  const harbour = page.getByRole("button", { name: "Harbour works", exact: true });
  await harbour.press("Enter");
  await expect(page.getByRole("button", { name: "Stay here" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("group", { name: "Edits wait to be sent" })).toHaveCount(0);
  await expect(harbour).toBeFocused();
});
