// Finishes the flows that begin with a mailed link. The link is spent by pressing a button, never by opening
// the page, because mail scanners open every link.

const params = new URLSearchParams(window.location.search);
// The state of the history entry outlives a reload and a way back to the page, and no other page or server reads it.
const token = params.get("token") || window.history.state?.token || null;
// Out of the address bar and whatever else would keep or pass on the address.
if (params.has("token")) remember(token);

function remember(secret) {
  window.history.replaceState(secret ? { token: secret } : null, "", window.location.pathname);
}

const message = document.querySelector("[data-message]");

// What the page offers with a link that works, and without one.
function offer(hasToken) {
  for (const element of document.querySelectorAll("[data-needs-token]")) element.hidden = !hasToken;
  for (const element of document.querySelectorAll("[data-needs-no-token]")) element.hidden = hasToken;
}

function say(text, done = false) {
  message.textContent = text;
  message.classList.toggle("done", done);
  message.hidden = false;
  message.focus();
}

function clear(form) {
  message.hidden = true;
  for (const list of form.querySelectorAll(".problems")) list.replaceChildren();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

// Puts each problem beside its field; what has no field here is said above the form.
function explain(form, error, retryAfter) {
  const elsewhere = [];
  for (const { field, code, message: text } of error.details) {
    if (code === "invalid_token") {
      remember(null);
      offer(false);
    }
    const input = field && field !== "token" ? form.elements.namedItem(field) : null;
    if (!input) {
      elsewhere.push(text);
      continue;
    }
    const item = document.createElement("li");
    item.textContent = text;
    document.getElementById(`${field}-problems`).append(item);
    input.setAttribute("aria-invalid", "true");
  }
  if (elsewhere.length || !error.details.length) {
    const wait = retryAfter > 0 ? ` You can try again in ${Math.ceil(retryAfter / 60)} min.` : "";
    const conflict = error.code === "EMAIL_EXISTS" && form.dataset.conflict;
    say((conflict || elsewhere.join(" ") || error.message) + wait);
  } else {
    form.querySelector("[aria-invalid]").focus();
  }
}

async function send(form) {
  const body = Object.fromEntries(new FormData(form));
  if ("needsToken" in form.dataset) body.token = token;
  const answer = await fetch(form.dataset.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
  });
  if (answer.ok) {
    form.hidden = true;
    for (const element of document.querySelectorAll("[data-after]")) element.hidden = false;
    if ("once" in form.dataset) remember(null);
    say(form.dataset.done, true);
    return;
  }
  explain(form, (await answer.json()).error, Number(answer.headers.get("Retry-After")));
}

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (button.disabled) return;
    clear(form);
    button.disabled = true;
    try {
      await send(form);
    } catch {
      say("The server could not be reached. Check your connection and try again.");
    } finally {
      button.disabled = false;
    }
  });
}

for (const box of document.querySelectorAll("[data-reveals]")) {
  const input = document.getElementById(box.dataset.reveals);
  box.addEventListener("change", () => { input.type = box.checked ? "text" : "password"; });
}

offer(Boolean(token));
