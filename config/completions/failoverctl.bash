# Bash completion of failoverctl. Written from the tables in daemon/ctl/command_table.cc:
# REWRITE=1 build/bin/unit_admin writes it anew.
# shellcheck shell=bash
_failoverctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' words='' options='' i
  case $before in
    --token-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --server | --db | --tablet | --table | --pid | --reason | --for | --by | --since) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      --server | --token-file | --db | --tablet | --table | --pid | --reason | --for | --by | --since) ((++i)) ;;
      -*) ;;
      *)
        command=${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $command in
    '')
      words='status showtablet showtable showopstatus showns confget fsm events confset changeleader offlineendpoint recoverendpoint recovertable migrate addreplica delreplica makesnapshot cancelop updatetablealive recoverdata hold'
      options='--server --json --token-file --db --plan --yes --wait --accept-loss --force --tablet --table --pid --all --reason --for --by --since --follow --help --version'
      ;;
    status)
      options='--server --json --token-file --help --version'
      ;;
    showtablet)
      options='--server --json --token-file --help --version'
      ;;
    showtable)
      options='--server --json --token-file --db --help --version'
      ;;
    showopstatus)
      options='--server --json --token-file --db --help --version'
      ;;
    showns)
      options='--server --json --token-file --help --version'
      ;;
    confget)
      options='--server --json --token-file --help --version'
      ;;
    fsm)
      options='--server --json --token-file --help --version'
      ;;
    events)
      options='--server --json --token-file --since --follow --help --version'
      ;;
    confset)
      words='auto_failover true false'
      options='--server --json --token-file --yes --wait --help --version'
      ;;
    changeleader)
      words='auto'
      options='--server --json --token-file --db --plan --yes --wait --accept-loss --force --help --version'
      ;;
    offlineendpoint)
      options='--server --json --token-file --plan --yes --wait --help --version'
      ;;
    recoverendpoint)
      words='true false'
      options='--server --json --token-file --plan --yes --wait --help --version'
      ;;
    recovertable)
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    migrate)
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    addreplica)
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    delreplica)
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    makesnapshot)
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    cancelop)
      options='--server --json --token-file --plan --yes --wait --help --version'
      ;;
    updatetablealive)
      words='yes no'
      options='--server --json --token-file --db --plan --yes --wait --help --version'
      ;;
    recoverdata)
      options='--server --json --token-file --plan --yes --help --version'
      ;;
    hold)
      words='add list remove'
      options='--server --json --token-file --db --plan --tablet --table --pid --all --reason --for --by --help --version'
      ;;
  esac
  if [[ $word == -* ]]; then words=$options; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _failoverctl failoverctl
