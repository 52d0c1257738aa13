// Calls each method of the npm packages mailpit-api and mailhog, and prints what each returned as JSON.
// Arguments: the folder with node_modules, and the server's URL without a slash at its end.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const { MailpitClient } = require("mailpit-api");
const mailhog = require("mailhog");
const url = new URL(process.argv[3]);
const mailpit = new MailpitClient(process.argv[3]);
const hog = mailhog({ host: url.hostname, port: Number(url.port) });
const results = {};

async function call(name, work) {
  try {
    results[name] = (await work()) ?? null;
  } catch (error) {
    results[name] = { thrown: String(error.message ?? error) };
  }
}

const message = {
  From: { Email: "ann@example.org", Name: "Ann" },
  To: [{ Email: "bob@example.org" }],
  Subject: "from node",
  Text: "your code is 4711",
  HTML: "<p>hi</p>",
  Attachments: [{ Filename: "a.txt", Content: "aGVsbG8=" }],
};
await call("sendMessage", () => mailpit.sendMessage(message));
const id = results.sendMessage.ID;
await call("getInfo", () => mailpit.getInfo());
await call("getConfiguration", () => mailpit.getConfiguration());
await call("getMessageSummary", () => mailpit.getMessageSummary());
await call("getMessageHeaders", () => mailpit.getMessageHeaders(id));
await call("getMessageAttachment", async () => (await mailpit.getMessageAttachment(id, "2")).text());
await call("getAttachmentThumbnail", async () => (await mailpit.getAttachmentThumbnail(id, "2")).type);
await call("getMessageSource", () => mailpit.getMessageSource(id));
await call("releaseMessage", () => mailpit.releaseMessage(id, { To: ["a@example.org"] }));
await call("listMessages", () => mailpit.listMessages());
await call("setReadStatus", () => mailpit.setReadStatus({ IDs: [id], Read: true }));
await call("searchMessages", () => mailpit.searchMessages({ query: "subject:node" }));
await call("waitForMessage", () => mailpit.waitForMessage({ query: "subject:node" }, { timeout: 5000 }));
await call("setTags", () => mailpit.setTags({ IDs: [id], Tags: ["one"] }));
await call("getTags", () => mailpit.getTags());
await call("renameTag", () => mailpit.renameTag("one", "two"));
await call("deleteTag", () => mailpit.deleteTag("two"));
await call("htmlCheck", () => mailpit.htmlCheck(id));
await call("linkCheck", () => mailpit.linkCheck(id));
await call("spamAssassinCheck", () => mailpit.spamAssassinCheck(id));
await call("getChaosTriggers", () => mailpit.getChaosTriggers());
await call("setChaosTriggers", () => mailpit.setChaosTriggers({ Sender: { ErrorCode: 451, Probability: 5 } }));
await call("renderMessageHTML", () => mailpit.renderMessageHTML(id));
await call("renderMessageText", () => mailpit.renderMessageText(id));

// mailhog looks for text at the top of a message only
await call("sendPlain", () => mailpit.sendMessage({ ...message, Attachments: [], HTML: "", To: [{ Email: "carl@example.org" }] }));
await call("hog.messages", async () => (await hog.messages(0, 10)).count);
await call("hog.search", async () => (await hog.search("code", "containing")).count);
await call("hog.latestFrom", async () => (await hog.latestFrom("ann@example.org")).subject);
await call("hog.latestTo", async () => (await hog.latestTo("carl@example.org")).text);
await call("hog.latestContaining", async () => (await hog.latestContaining("4711")).to);
await call("hog.attachments", async () => (await hog.latestTo("bob")).attachments[0].name);
await call("hog.releaseMessage", async () => (await hog.releaseMessage(`${id}@smtpfix.test`, { Host: "x", Port: "25", Email: "a@example.org" })).statusCode ?? "refused");
await call("hog.deleteMessage", async () => (await hog.deleteMessage(`${id}@smtpfix.test`)).statusCode);
await call("hog.deleteAll", async () => (await hog.deleteAll()).statusCode);

await call("sendAgain", () => mailpit.sendMessage(message));
await call("deleteMessagesBySearch", () => mailpit.deleteMessagesBySearch({ query: "subject:node" }));
await call("sendOnceMore", () => mailpit.sendMessage(message));
await call("deleteMessages", () => mailpit.deleteMessages());
await call("leftOver", async () => (await mailpit.listMessages()).total);
console.log(JSON.stringify(results));
process.exit(0);
