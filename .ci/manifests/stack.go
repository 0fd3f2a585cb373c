package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
)

// loadStack reads and merges stack files with the variables given. What docker stack deploy would pass over with a
// warning is an error.
func loadStack(files, settings []string) (*types.Config, error) {
	details := types.ConfigDetails{Environment: map[string]string{}}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		details.Environment[name] = value
	}
	var all []map[string]any
	for _, file := range files {
		content, err := os.ReadFile(file) // #nosec G304 G703 -- the caller names the file
		if err != nil {
			return nil, err
		}
		parsed, err := loader.ParseYAML(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		folder, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		if details.WorkingDir == "" {
			details.WorkingDir = folder
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: file, Config: parsed})
		all = append(all, parsed)
	}
	config, err := loader.Load(details)
	if err != nil {
		return nil, err
	}
	if unsupported := loader.GetUnsupportedProperties(all...); len(unsupported) > 0 {
		return nil, fmt.Errorf("a stack passes over %s", strings.Join(unsupported, ", "))
	}
	if deprecated := loader.GetDeprecatedProperties(all...); len(deprecated) > 0 {
		return nil, fmt.Errorf("deprecated: %v", deprecated)
	}
	return config, nil
}
