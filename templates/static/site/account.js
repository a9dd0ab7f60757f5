// Submits the token of a link in an email. A button submits it, not the load of the page, because mail scanners
// open every link.

const params = new URLSearchParams(window.location.search);
// The state of the history entry survives a reload and a return to the page. No other page or server reads it.
const token = params.get("token") || window.history.state?.token || null;
// Remove the token from the URL, which the history and the Referer header contain.
if (params.has("token")) remember(token);

function remember(secret) {
  window.history.replaceState(secret ? { token: secret } : null, "", window.location.pathname);
}

const message = document.querySelector("[data-message]");

// Shows the elements for a page with a token, or without one.
function showFor(hasToken) {
  for (const element of document.querySelectorAll("[data-needs-token]")) element.hidden = !hasToken;
  for (const element of document.querySelectorAll("[data-needs-no-token]")) element.hidden = hasToken;
}

function showMessage(text, done = false) {
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

// Shows each problem next to its field, and problems without a field above the form.
function showError(form, error, retryAfter) {
  const general = [];
  for (const { field, code, message: text } of error.details) {
    if (code === "invalid_token") {
      remember(null);
      showFor(false);
    }
    const input = field && field !== "token" ? form.elements.namedItem(field) : null;
    if (!input) {
      general.push(text);
      continue;
    }
    const item = document.createElement("li");
    item.textContent = text;
    document.getElementById(`${field}-problems`).append(item);
    input.setAttribute("aria-invalid", "true");
  }
  if (general.length || !error.details.length) {
    const wait = retryAfter > 0 ? ` You can try again in ${Math.ceil(retryAfter / 60)} min.` : "";
    const conflict = error.code === "EMAIL_EXISTS" && form.dataset.conflict;
    showMessage((conflict || general.join(" ") || error.message) + wait);
  } else {
    form.querySelector("[aria-invalid]").focus();
  }
}

async function send(form) {
  const body = Object.fromEntries(new FormData(form));
  if ("needsToken" in form.dataset) body.token = token;
  const response = await fetch(form.dataset.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
  });
  if (response.ok) {
    form.hidden = true;
    for (const element of document.querySelectorAll("[data-after]")) element.hidden = false;
    if ("once" in form.dataset) remember(null);
    showMessage(form.dataset.done, true);
    return;
  }
  showError(form, (await response.json()).error, Number(response.headers.get("Retry-After")));
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
      showMessage("The server could not be reached. Check your connection and try again.");
    } finally {
      button.disabled = false;
    }
  });
}

for (const box of document.querySelectorAll("[data-reveals]")) {
  const input = document.getElementById(box.dataset.reveals);
  box.addEventListener("change", () => { input.type = box.checked ? "text" : "password"; });
}

showFor(Boolean(token));
