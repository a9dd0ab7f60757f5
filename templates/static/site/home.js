// Shows what /health/ready says now, and asks again while the page is looked at.

const EVERY_MS = 15000;
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
  if (state.textContent !== sentence) state.textContent = sentence; // a screen reader hears changes only
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

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/health/ready", { cache: "no-store" });
    show(await answer.json()); // 503 has the same shape
  } catch {
    show({ status: "unavailable", checks: {} });
  }
}

ask();
setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
