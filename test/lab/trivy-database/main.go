// Command trivy-database writes a database of trivy, with the packages that trivy reads it with. Its arguments are the folder, and a file
// that says in JSON what the database knows.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
)

// An advisory says which versions of a package have a vulnerability.
type advisory struct {
	ID       string           `json:"id"`
	Bucket   string           `json:"bucket"`
	Source   types.DataSource `json:"source"`
	Package  string           `json:"package"`
	Advisory types.Advisory   `json:"advisory"`
}

type content struct {
	Metadata        metadata.Metadata              `json:"metadata"`
	Advisories      []advisory                     `json:"advisories"`
	Vulnerabilities map[string]types.Vulnerability `json:"vulnerabilities"`
}

func main() {
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(folder, input string) error {
	found, err := os.ReadFile(input)
	if err != nil {
		return err
	}
	var known content
	if err := json.Unmarshal(found, &known); err != nil {
		return err
	}
	if err := db.Init(folder); err != nil {
		return err
	}
	var config db.Config
	err = config.BatchUpdate(func(tx *bolt.Tx) error {
		for _, each := range known.Advisories {
			if err := config.PutDataSource(tx, each.Bucket, each.Source); err != nil {
				return err
			}
			place := []string{each.Bucket, each.Package}
			if err := config.PutAdvisory(tx, place, each.ID, each.Advisory); err != nil {
				return err
			}
		}
		for id, each := range known.Vulnerabilities {
			if err := config.PutVulnerability(tx, id, each); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return metadata.NewClient(folder).Update(known.Metadata)
}
