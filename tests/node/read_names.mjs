// What Express and the parsers of npm read under a name: a question a line in, an answer a line out. See tests/servers.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import querystring from "node:querystring";
import express from "express";
import bodyParser from "body-parser";
import qs from "qs";
import * as cookie from "cookie";

const require = createRequire(import.meta.url);
const versionOf = (name) => require(`./node_modules/${name}/package.json`).version;
const olderCookie = createRequire(require.resolve("express"))("cookie");

const app = express();
app.set("trust proxy", true);

const bodyParsers = {
  form: {
    "urlencoded extended": bodyParser.urlencoded({ extended: true }),
    "urlencoded simple": bodyParser.urlencoded({ extended: false }),
  },
  json: { json: bodyParser.json() },
};

// `filter[org]` is read as an app reads it: by its whole name where parsers are flat, by its steps where they are not.
const flat = (value, name) => value?.[name];
const nested = (value, name) => name.split(/[[\]]+/).filter(Boolean).reduce((at, step) => at?.[step], value);

const readers = {
  query: {
    "qs": ({ text, name }) => nested(qs.parse(text), name),
    "qs allowDots": ({ text, name }) => nested(qs.parse(text, { allowDots: true }), name),
    "querystring": ({ text, name }) => flat(querystring.parse(text), name),
    "URLSearchParams": ({ text, name }) => new URLSearchParams(text).getAll(name),
  },
  cookie: {
    "cookie": ({ text, name }) => flat(cookie.parseCookie(text), name),
    "cookie of Express": ({ text, name }) => flat(olderCookie.parse(text), name),
  },
  form: Object.fromEntries(Object.keys(bodyParsers.form).map((label) => [label, body("form", label)])),
  json: { "json": body("json", "json") },
  host: { "hostname": host },
};

function body(channel, label) {
  return ({ data, type, name }) =>
    new Promise((resolve, reject) => {
      const request = Readable.from([data], { objectMode: false });
      request.headers = { "content-type": type, "content-length": String(data.length) };
      bodyParsers[channel][label](request, {}, (error) =>
        error ? reject(error) : resolve(label === "urlencoded simple" ? flat(request.body, name) : nested(request.body, name)),
      );
    });
}

function host({ data }) {
  const headers = {};
  for (const line of data.toString("latin1").split("\r\n").slice(0, -1)) {
    const at = line.indexOf(":");
    const key = line.slice(0, at).toLowerCase();
    const value = line.slice(at + 1).trim();
    // As Node joins the fields of a name: of `Host` it keeps the first.
    if (!(key in headers)) headers[key] = value;
    else if (key !== "host") headers[key] += `, ${value}`;
  }
  const request = Object.create(app.request);
  request.app = app;
  request.headers = headers;
  Object.defineProperty(request, "socket", { value: { remoteAddress: "127.0.0.1" } });
  return request.hostname;
}

function* strings(value) {
  if (value === null || value === undefined || typeof value === "function") return;
  if (typeof value === "object") for (const each of Object.values(value)) yield* strings(each);
  else yield Buffer.from(String(value), "utf8").toString("hex");
}

async function answer({ channel, data, type, name }) {
  const bytes = Buffer.from(data, "hex");
  const sent = { data: bytes, text: bytes.toString("latin1"), type, name };
  const read = {};
  for (const [label, reader] of Object.entries(readers[channel])) {
    try {
      read[label] = [...strings(await reader(sent))];
    } catch {
      read[label] = []; // It refuses this.
    }
  }
  return read;
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
say(["express", "qs", "body-parser", "cookie"].map((name) => `${name} ${versionOf(name)}`).join(", "));
for await (const line of createInterface({ input: process.stdin })) say(await answer(JSON.parse(line)));
