// Goes on with the next batch of an action. "Stop here" leaves the page before that happens.
"use strict";

setTimeout(() => document.getElementById("bulk-form").submit(), 500);
