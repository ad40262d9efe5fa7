package tools

import (
	"context"
	"fmt"
)

const chromiumFloor = "120"

// Chromium finds $CHROMIUM, or Chromium or Chrome on PATH.
func Chromium(ctx context.Context) (path, version string, err error) {
	path, version, err = look(ctx, "CHROMIUM", chromiumFloor,
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
	if err != nil {
		return "", "", err
	}
	if path == "" {
		return "", "", fmt.Errorf("no Chromium %s or newer: run %s", chromiumFloor, aptCommand("chromium"))
	}
	return path, version, nil
}
