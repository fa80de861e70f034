// Signs in once and refreshes twice, by a client library of npm and through a proxy; the URL of the browser's last
// redirect, what was issued, and what the API answered are written as JSON. The argument is JSON too: see `Settings`
// in tests/oauth/node_apps.py.

import { HttpsProxyAgent } from "https-proxy-agent";
import * as openid from "openid-client";
import { AuthorizationCode } from "simple-oauth2";
import { fetch, ProxyAgent } from "undici";

const given = JSON.parse(process.argv[2]);
const dispatcher = new ProxyAgent(given.proxy);
const verifier = openid.randomPKCECodeVerifier();
const challenge = await openid.calculatePKCECodeChallenge(verifier);
const state = openid.randomState();
const wanted = { redirect_uri: given.redirect_uri, scope: given.scope, state, ...given.authorize };
const proof = { code_challenge: challenge, code_challenge_method: "S256" };
const repeated = given.repeat_scope ? { scope: given.scope } : {};

// The browser: it follows redirects until they lead to the app.
async function signIn(start) {
  let url = String(start);
  while (!url.startsWith(given.redirect_uri)) {
    const response = await fetch(url, { dispatcher, redirect: "manual" });
    await response.text();
    if (response.status !== 302) throw new Error(`the browser is shown ${response.status}`);
    url = new URL(response.headers.get("location"), url).href;
  }
  return url;
}

async function withOpenidClient() {
  const method = given.in_body ? openid.ClientSecretPost : openid.ClientSecretBasic;
  const server = {
    issuer: given.iss,
    authorization_endpoint: `${given.issuer}/oauth/authorize`,
    pushed_authorization_request_endpoint: `${given.issuer}/oauth/par`,
    token_endpoint: `${given.issuer}/oauth/token`,
  };
  const config = new openid.Configuration(server, given.client, { client_secret: given.secret }, method(given.secret));
  config[openid.customFetch] = (url, options) => fetch(url, { ...options, dispatcher });
  const parameters = { ...wanted, ...proof };
  const url = given.par
    ? await openid.buildAuthorizationUrlWithPAR(config, parameters)
    : openid.buildAuthorizationUrl(config, parameters);
  const callback = new URL(await signIn(url));
  const checks = { pkceCodeVerifier: verifier, expectedState: state };
  const issued = [await openid.authorizationCodeGrant(config, callback, checks)];
  for (let refresh = 0; refresh < 2; refresh += 1) {
    issued.push(await openid.refreshTokenGrant(config, issued.at(-1).refresh_token, repeated));
  }
  return issued;
}

async function withSimpleOauth2() {
  const client = new AuthorizationCode({
    client: { id: given.client, secret: given.secret },
    auth: { tokenHost: given.issuer },
    options: { authorizationMethod: given.in_body ? "body" : "header", bodyFormat: given.json ? "json" : "form" },
    http: { agent: new HttpsProxyAgent(given.proxy) },
  });
  const callback = new URL(await signIn(client.authorizeURL(wanted)));
  const code = callback.searchParams.get("code");
  let token = await client.getToken({ code, redirect_uri: given.redirect_uri });
  const issued = [token.token];
  for (let refresh = 0; refresh < 2; refresh += 1) {
    token = await token.refresh(repeated);
    issued.push(token.token);
  }
  return issued;
}

const libraries = { "openid-client": withOpenidClient, "simple-oauth2": withSimpleOauth2 };
try {
  const issued = await libraries[given.library]();
  const called = [];
  for (const { access_token: token } of issued) {
    const response = await fetch(given.api, { dispatcher, headers: { Authorization: `Bearer ${token}` } });
    await response.text();
    called.push(response.status);
  }
  console.log(JSON.stringify({ called }));
} catch (error) {
  const { name, message, error: code } = error;
  console.log(JSON.stringify({ name, message, code, payload: error.data?.payload }));
}
process.exit(0);
