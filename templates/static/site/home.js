// Shows the status of /health/ready, and updates it while the page is visible.

const INTERVAL_MS = 15000;
const SENTENCES = {
  ok: "Everything works.",
  degraded: "Working, with a part missing. Requests are served.",
  unavailable: "Not ready: requests fail for now.",
};

const state = document.getElementById("state");
const checks = document.getElementById("checks");

function cell(tag, text, status) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (tag === "th") element.scope = "row";
  if (status) element.className = `is-${status}`;
  return element;
}

function show(health) {
  const sentence = SENTENCES[health.status] ?? health.status;
  if (state.textContent !== sentence) state.textContent = sentence; // so that screen readers announce changes only
  state.className = `state is-${health.status}`;
  checks.replaceChildren(
    ...Object.entries(health.checks).map(([name, check]) => {
      const row = document.createElement("tr");
      row.append(
        cell("th", name),
        cell("td", check.status, check.status),
        cell("td", `${check.latencyMs} ms`),
      );
      return row;
    }),
  );
}

async function update() {
  if (document.hidden) return;
  try {
    const response = await fetch("/health/ready", { cache: "no-store" });
    show(await response.json()); // a 503 has the same fields
  } catch {
    show({ status: "unavailable", checks: {} });
  }
}

update();
setInterval(update, INTERVAL_MS);
document.addEventListener("visibilitychange", update);
