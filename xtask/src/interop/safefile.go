// Package safefile stands in for git.glasklar.is/sigsum/dependencies/safefile where that module
// cannot be had, when log-go is built from a checkout. It has what log-go calls: a file that appears
// under its name when it is complete, and not before.
package safefile

import (
	"errors"
	"os"
	"path/filepath"
)

// File is written beside the name that it will get.
type File struct {
	*os.File
	name  string
	ended bool
}

var errEnded = errors.New("safefile: already committed or closed")

// Create opens a file that is to be called name.
func Create(name string, mode os.FileMode) (*File, error) {
	file, err := os.CreateTemp(filepath.Dir(name), ".safefile-*")
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(mode); err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, err
	}
	return &File{File: file, name: name}, nil
}

// Commit gives the file its name; a file that had it is replaced.
func (f *File) Commit() error {
	return f.commit(os.Rename)
}

// CommitIfNotExists gives the file its name unless there is a file of that name.
func (f *File) CommitIfNotExists() error {
	return f.commit(func(from, to string) error {
		if err := os.Link(from, to); err != nil {
			return err
		}
		return os.Remove(from)
	})
}

// Close discards what was not committed. After a commit it does nothing.
func (f *File) Close() error {
	if f.ended {
		return nil
	}
	f.ended = true
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}

func (f *File) commit(place func(from, to string) error) error {
	if f.ended {
		return errEnded
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := place(f.Name(), f.name); err != nil {
		return err
	}
	f.ended = true
	return f.File.Close()
}
