// Asks one question by node-postgres, which knex, sequelize, typeorm, drizzle and Prisma's adapter stand on.
// stdin: {"url", "query"}; stdout: the rows.
import { readFileSync } from "node:fs";
import pg from "pg";

const { url, query } = JSON.parse(readFileSync(0, "utf8"));
const client = new pg.Client({ connectionString: url });
await client.connect();
console.log(JSON.stringify((await client.query(query)).rows));
await client.end();
