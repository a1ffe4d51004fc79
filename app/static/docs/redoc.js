// Relative, so that the page also works behind a proxy that serves it below a path.
Redoc.init(
  "openapi.json",
  {expandResponses: "200,201,202", sortTagsAlphabetically: true},
  document.getElementById("redoc"),
);
