// Asks one question by mysql2, which knex, sequelize, typeorm, drizzle and Prisma's adapter stand on.
// stdin: {"url", "query"}; stdout: the rows.
import { readFileSync } from "node:fs";
import mysql from "mysql2/promise";

const { url, query } = JSON.parse(readFileSync(0, "utf8"));
const connection = await mysql.createConnection(url);
const [rows] = await connection.query(query);
console.log(JSON.stringify(rows));
await connection.end();
