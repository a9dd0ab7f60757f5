// Continues with the next batch of an action after half a second, in which the user may press "Stop here".
"use strict";

setTimeout(() => document.getElementById("bulk-form").submit(), 500);
