// Swagger UI has dark colours under a class; its own switch sits in a bar that is not used here.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  dom_id: "#swagger",
  url: document.getElementById("swagger").dataset.schema,
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null, // the badge would ask a server on the internet
});
