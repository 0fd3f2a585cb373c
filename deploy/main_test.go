package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// manifestsDir is where TestMain puts the program that reads deployment files.
const manifestsDir = "GUICHET_MANIFESTS"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guichet-manifests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if out, err := exec.Command("go", "build", "-C", "../.ci/manifests", "-o", dir+"/", ".").CombinedOutput(); err != nil { // #nosec G204 -- our own arguments
		fmt.Fprintf(os.Stderr, "build .ci/manifests: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(manifestsDir, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// manifests runs .ci/manifests, with nothing of this process's environment, and decodes what it prints.
func manifests(t *testing.T, into any, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv(manifestsDir), "manifests"), args...) // #nosec G204 -- our own program
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"HOME=" + t.TempDir()}, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("manifests %q: %v\n%s", args, err, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}
