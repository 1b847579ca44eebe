//! What is run on the machine: the commands of the document, and some more.

use std::path::Path;

/// The document.
const DOCUMENT: &str = "docs/debian.md";

/// What the document promises without a command.
pub(super) const CHECKS: &[&str] = &[
    // The units are well-formed, and as closed as they are meant to be.
    "systemd-analyze verify sigsum-log.service sigsum-log-secondary.service sigsum-witness.service \
     sigsum-log.socket",
    "systemd-analyze security --no-pager --threshold=18 sigsum-log.service | tail -1",
    "systemd-analyze security --no-pager --threshold=18 sigsum-witness.service | tail -1",
    "systemd-analyze security --no-pager --threshold=18 sigsum-log-secondary.service | tail -1",
    // The key is root's, and systemd hands it over.
    "runuser -u sigsum-log -- sh -c '! cat /etc/sigsum/log-key'",
    // A reload is one that systemd knows the end of; a bad file is shown and changes nothing.
    "systemctl reload sigsum-log; systemctl is-active sigsum-log",
    "cp /etc/sigsum/log-policy good; echo what >> /etc/sigsum/log-policy; systemctl reload sigsum-log; \
     timeout 60 sh -c 'until systemctl status sigsum-log | grep \"configuration was refused\"; do :; done'; \
     cp good /etc/sigsum/log-policy",
    // A process that is killed is started again and goes on.
    "systemctl kill --signal=KILL sigsum-log; \
     timeout 60 sh -c 'until curl --fail --silent http://localhost:6967/readyz; do :; done'",
    "echo more > more; sigsum submit -p policy -k my-key more; \
     sigsum verify -p policy -k my-key.pub more.proof < more",
    // With the socket of systemd, no connection is refused while the log restarts.
    "sed -i 's/^external-endpoint.*/external-endpoint = \"systemd:external\"/' /etc/sigsum/config.toml; \
     systemctl stop sigsum-log; systemctl enable --now sigsum-log.socket; systemctl start sigsum-log; \
     for n in 1 2 3 4 5; do systemctl restart --no-block sigsum-log; \
     curl --fail --silent --show-error --output head http://localhost:6965/get-tree-head; done",
    // A node that takes over: a backup is a follower's directory. What root would do there is refused,
    // and the line that is shown instead works.
    "systemctl stop sigsum-log.socket sigsum-log; cd /var/lib/sigsum-log; \
     runuser -u sigsum-log -- sigsum log backup --data-dir data --to copy --key-file /etc/sigsum/log-key.pub; \
     mv data old; mv copy data; \
     line=$({ sigsum log promote --data-dir data --policy-file /etc/sigsum/log-policy 2>&1 || true; } \
     | sed -n 's/^hint: as that user: //p'); echo \"$line\"; eval \"$line\"; \
     systemctl start sigsum-log.socket sigsum-log; \
     timeout 60 sh -c 'until curl --fail --silent http://localhost:6967/readyz; do :; done'; \
     runuser -u sigsum-log -- sigsum log status",
    "echo third > third; sigsum submit -p policy -k my-key third; \
     sigsum verify -p policy -k my-key.pub third.proof < third",
    // It is installed over itself while it runs, as an upgrade is.
    "dpkg --install ./sigsum_*.deb; systemctl is-active sigsum-log",
    // Without the package, the data are there still.
    "apt purge --yes sigsum; test -e /var/lib/sigsum-log/data/tree; ! systemctl is-active sigsum-log",
];

/// Every command of the document, with what stands between its `<<` and the end of that.
pub(super) fn commands(root: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(root.join(DOCUMENT))
        .map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let found = commands_in(&text);
    if found.len() < 10 {
        return Err(format!("{DOCUMENT} has only {} commands", found.len()));
    }
    Ok(found)
}

fn commands_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let blocks = text.split("```console\n").skip(1);
    for block in blocks.filter_map(|rest| rest.split("```").next()) {
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let mut command = command.to_owned();
            if let Some((_, end)) = command.split_once("<< ") {
                let end = end.split(' ').next().unwrap_or(end).to_owned();
                for line in lines.by_ref() {
                    command = format!("{command}\n{line}");
                    if line == end {
                        break;
                    }
                }
            }
            found.push(command);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_with_their_input_and_without_their_output() {
        let text = "a\n```console\n$ one\noutput\n$ cat > f << END\nx\nEND\noutput\n```\n```toml\n$ no\n```\n";
        assert_eq!(commands_in(text), ["one", "cat > f << END\nx\nEND"]);
    }
}
