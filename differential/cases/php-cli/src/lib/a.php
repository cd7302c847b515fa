<?php
function a(): int { return 1; }
