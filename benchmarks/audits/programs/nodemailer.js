// Send a message by nodemailer, as its documentation has it.
//
// arguments: mode host port cafile name sender recipient message patience [user password]
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const [mode, host, port, cafile, name, sender, recipient, message, patience, user, pass] = process.argv.slice(2);
const milliseconds = Number(patience) * 1000;
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  name,
  secure: mode === "implicit",
  requireTLS: mode === "starttls-required",
  ignoreTLS: mode === "none",
  tls: mode === "none" ? {} : { ca: fs.readFileSync(cafile) },
  auth: user === undefined ? undefined : { user, pass },
  connectionTimeout: milliseconds,
  greetingTimeout: milliseconds,
  socketTimeout: milliseconds,
});
transport
  .sendMail({ envelope: { from: sender, to: recipient }, raw: fs.readFileSync(message) })
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
