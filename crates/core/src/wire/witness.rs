//! The witness protocol: add-checkpoint and sign-subtree bodies (C2SP `tlog-witness`).
