package deploy

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stage is one of the Dockerfile, as BuildKit has read it.
type stage struct {
	Name, Base, User string
	Run              []string
	Copy             []struct {
		From, To string
		Paths    []string
	}
	Labels                  map[string]string
	Entrypoint, Healthcheck []string
}

func stages(t *testing.T) map[string]stage {
	t.Helper()
	var all []stage
	manifests(t, &all, "dockerfile", "Dockerfile")
	out := map[string]stage{}
	for _, s := range all {
		out[s.Name] = s
	}
	return out
}

// programs are those of the images, and whether they serve.
var programs = map[string]bool{"ingester": true, "worker": true, "guichet": false}

func TestImage_HoldsOneProgramThatIsNotRootAndAsksItselfForItsHealth(t *testing.T) {
	t.Parallel()
	all := stages(t)
	if user := all["base"].User; user != "65532:65532" || len(all["base"].Run)+len(all["base"].Copy) > 0 {
		t.Errorf("the base image has the user %q and %+v", user, all["base"])
	}
	for _, label := range []string{"source", "licenses", "version", "revision"} {
		if all["base"].Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("the label %s is missing", label)
		}
	}
	for program, serves := range programs {
		s, path := all[program], "/usr/local/bin/"+program
		if s.Base != "base" || s.User != "" || len(s.Run) > 0 || !slices.Equal(s.Entrypoint, []string{path}) {
			t.Errorf("%s: %+v", program, s)
		}
		if len(s.Copy) != 1 || s.Copy[0].From != "build" || s.Copy[0].To != path || !slices.Equal(s.Copy[0].Paths, []string{"/src/bin/" + program}) {
			t.Errorf("%s holds %+v", program, s.Copy)
		}
		if s.Labels["org.opencontainers.image.title"] == "" || s.Labels["org.opencontainers.image.description"] == "" {
			t.Errorf("%s has the labels %v", program, s.Labels)
		}
		if want := []string{path, "--healthcheck"}; serves && !slices.Equal(s.Healthcheck, want) || !serves && s.Healthcheck != nil {
			t.Errorf("%s's health check is %q", program, s.Healthcheck)
		}
	}
}

func TestImage_TheBuildStageMakesSmallStaticProgramsThatAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	build := stages(t)["build"].Run[1]
	here, there := buildStage(t, build), buildStage(t, build)
	for program := range programs {
		path := filepath.Join(here, "bin", program)
		content := readFile(t, path)
		if sha256.Sum256(content) != sha256.Sum256(readFile(t, filepath.Join(there, "bin", program))) {
			t.Errorf("%s is another program when it is built in another folder", program)
		}
		if strings.Contains(string(content), here) {
			t.Errorf("%s names the folder that it was built in", program)
		}
		checkStatic(t, path)
		out, err := exec.CommandContext(t.Context(), path, "--version").Output() // #nosec G204 -- just built
		if want := program + " 1.2.3\n"; err != nil || string(out) != want {
			t.Errorf("%s --version prints %q (%v)", program, out, err)
		}
		const most = 40 << 20
		if len(content) > most {
			t.Errorf("%s has %d bytes", program, len(content))
		}
		t.Logf("%s: %.1f MB", program, float64(len(content))/1e6)
	}
}

// buildStage runs the build stage's last command as Docker would, on what .dockerignore lets in, and returns the
// folder that it was run in.
func buildStage(t *testing.T, command string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	ignored := strings.Fields(read(t, "../.dockerignore"))
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // somebody's temporary file
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		if slices.Contains(ignored, relative) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		target := filepath.Join(dir, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "VERSION=1.2.3", "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return dir
}

// checkStatic holds that a program needs neither a loader nor a library, and carries no symbols.
func checkStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs a loader", path)
		}
	}
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("%s needs %q (%v)", path, libraries, err)
	}
	if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
		t.Errorf("%s is not stripped", path)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
