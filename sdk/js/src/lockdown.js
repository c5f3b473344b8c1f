/** The first thing a component runs, before any code of the game. */

import { denyAll } from "./denied.js";

denyAll();
