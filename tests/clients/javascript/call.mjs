// Calls methods of the npm package `scalingo` one after the other, as a program that uses it would.
// stdin: {"url", "token", "calls": [["Databases", "create", {...}], ...]}; stdout: one {"value"} or {"error"} for each.
import { readFileSync } from "node:fs";
import scalingo from "scalingo";

const { url, token, calls } = JSON.parse(readFileSync(0, "utf8"));
const client = await scalingo.clientFromToken(token, { apiUrl: url, authApiUrl: url });
const results = [];
for (const [resource, method, ...parameters] of calls) {
  try {
    results.push({ value: (await client[resource][method](...parameters)) ?? null });
  } catch (error) {
    if (error.status === undefined) throw error;
    results.push({ error: { status: error.status, message: error.message, data: error.data } });
  }
}
console.log(JSON.stringify(results));
