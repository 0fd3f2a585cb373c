package main

import (
	"errors"
	"fmt"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds makes an empty object of each type that our folders may hold.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                 func() any { return &apps.Deployment{} },
	"batch/v1 Job":                       func() any { return &batch.Job{} },
	"keda.sh/v1alpha1 ScaledObject":      func() any { return &scaledObject{} },
	"networking.k8s.io/v1 Ingress":       func() any { return &networking.Ingress{} },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return &networking.NetworkPolicy{} },
	"policy/v1 PodDisruptionBudget":      func() any { return &policy.PodDisruptionBudget{} },
	"v1 ConfigMap":                       func() any { return &core.ConfigMap{} },
	"v1 Namespace":                       func() any { return &core.Namespace{} },
	"v1 Service":                         func() any { return &core.Service{} },
	"v1 ServiceAccount":                  func() any { return &core.ServiceAccount{} },
}

// loadKubernetes builds a folder as kustomize does and decodes each object strictly: a field that its type does not
// have, or that stands twice, is an error.
func loadKubernetes(folders []string) ([]any, error) {
	if len(folders) != 1 {
		return nil, errors.New("kubernetes takes one folder")
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folders[0])
	if err != nil {
		return nil, err
	}
	var objects []any
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		name := resource.GetApiVersion() + " " + resource.GetKind()
		empty, known := kinds[name]
		if !known {
			return nil, fmt.Errorf("%s %s: no type is known for it", name, resource.GetName())
		}
		object := empty()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			return nil, fmt.Errorf("%s %s: %w", name, resource.GetName(), err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}
