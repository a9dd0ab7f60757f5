// Express 5 with pg, in as many processes as WORKERS says. Host, port, user, password and database are
// libpq's own variables, which pg reads too.

import cluster from "node:cluster";
import { randomUUID } from "node:crypto";
import bcrypt from "bcrypt";
import express from "express";
import jwt from "jsonwebtoken";
import pg from "pg";

const { PORT, WORKERS, PEER_SECRET } = process.env;

const COLUMNS = `r.id, r.user_id, r.title, r.content, r.status, r.created_at, r.updated_at, ARRAY(
  SELECT t.name FROM resource_tags l JOIN tags t ON t.id = l.tag_id WHERE l.resource_id = r.id
) AS tags`;
const STATUSES = new Set(["draft", "published", "archived"]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function serve() {
  const pool = new pg.Pool({ max: 10 });
  const app = express();
  app.disable("x-powered-by");
  app.use(express.json());

  async function authenticate(req, res, next) {
    const [scheme, token] = (req.headers.authorization ?? "").split(" ");
    let claims;
    try {
      claims = jwt.verify(scheme === "Bearer" ? token : "", PEER_SECRET, { algorithms: ["HS256"] });
    } catch {
      return res.status(401).json({ error: "Not authenticated" });
    }
    const found = await pool.query("SELECT id, email, name FROM users WHERE id = $1", [claims.sub]);
    if (found.rowCount === 0) return res.status(401).json({ error: "Not authenticated" });
    req.user = found.rows[0];
    return next();
  }

  app.post("/api/login", async (req, res) => {
    const { email, password } = req.body;
    const found = await pool.query("SELECT id, password_hash FROM users WHERE email = $1", [email]);
    const user = found.rows[0];
    if (!user || !(await bcrypt.compare(password, user.password_hash))) {
      return res.status(401).json({ error: "Wrong email or password" });
    }
    return res.json({ token: jwt.sign({}, PEER_SECRET, { subject: user.id, expiresIn: "10h" }) });
  });

  app.get("/api/resources", authenticate, async (req, res) => {
    const limit = Math.min(Number(req.query.limit) || 20, 100);
    const offset = ((Number(req.query.page) || 1) - 1) * limit;
    const parameters = [req.user.id];
    let where = "r.user_id = $1";
    if (req.query.search) {
      parameters.push(`%${req.query.search}%`);
      where += " AND (r.title ILIKE $2 OR r.content ILIKE $2)";
    }
    const [counted, rows] = await Promise.all([
      pool.query(`SELECT count(*)::int AS total FROM resources r WHERE ${where}`, parameters),
      pool.query(
        `SELECT ${COLUMNS} FROM resources r WHERE ${where}
         ORDER BY r.created_at DESC LIMIT ${limit} OFFSET ${offset}`,
        parameters,
      ),
    ]);
    res.json({ data: rows.rows, total: counted.rows[0].total });
  });

  app.get("/api/resources/:id", authenticate, async (req, res) => {
    if (!UUID.test(req.params.id)) return res.status(404).json({ error: "Not found" });
    const found = await pool.query(`SELECT ${COLUMNS} FROM resources r WHERE r.id = $1 AND r.user_id = $2`, [
      req.params.id,
      req.user.id,
    ]);
    if (found.rowCount === 0) return res.status(404).json({ error: "Not found" });
    return res.json(found.rows[0]);
  });

  app.post("/api/resources", authenticate, async (req, res) => {
    const { title, content = "", status = "draft", tags = [] } = req.body ?? {};
    const names = Array.isArray(tags) && tags.every((name) => typeof name === "string" && name.length <= 50);
    if (typeof title !== "string" || title === "" || title.length > 255) {
      return res.status(400).json({ error: "title must have 1 to 255 characters" });
    }
    if (typeof content !== "string" || !STATUSES.has(status) || !names) {
      return res.status(400).json({ error: "content, status or tags are wrong" });
    }
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const made = await client.query(
        `INSERT INTO resources (id, user_id, title, content, status) VALUES ($1, $2, $3, $4, $5) RETURNING *`,
        [randomUUID(), req.user.id, title, content, status],
      );
      await client.query(
        `INSERT INTO tags (id, user_id, name) SELECT gen_random_uuid(), $1, name FROM unnest($2::text[]) AS name
         ON CONFLICT DO NOTHING`,
        [req.user.id, tags],
      );
      await client.query(
        `INSERT INTO resource_tags SELECT $1, id FROM tags WHERE user_id = $2 AND name = ANY($3)`,
        [made.rows[0].id, req.user.id, tags],
      );
      await client.query("COMMIT");
      return res.status(201).json({ ...made.rows[0], tags });
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  });

  app.listen(Number(PORT), "127.0.0.1");
}

if (cluster.isPrimary) {
  for (let number = 0; number < Number(WORKERS); number += 1) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  serve();
}
