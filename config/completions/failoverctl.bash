# Bash completion of failoverctl. Written from the tables in daemon/ctl/command_table.cc:
# REWRITE=1 build/bin/unit_admin writes it anew.
# shellcheck shell=bash
_failoverctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' words='' options='' i
  local -a files=()
  case $before in
    --socket | --token-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --server | --db | --tablet | --table | --pid | --reason | --for | --by | --since) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      --server | --socket | --token-file | --db | --tablet | --table | --pid | --reason | --for | --by | --since) ((++i)) ;;
      -*) ;;
      *)
        command=${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $command in
    '')
      words='status showtablet showtable showopstatus showns confget gettablepartition shadow fsm events confset takeover release changeleader offlineendpoint recoverendpoint recovertable migrate addreplica delreplica makesnapshot cancelop updatetablealive settablepartition recoverdata hold'
      options='--server --socket --json --token-file --db --plan --yes --wait --accept-loss --force --tablet --table --pid --all --reason --for --by --since --follow --help --version'
      ;;
    status)
      options='--server --socket --json --token-file --help --version'
      ;;
    showtablet)
      options='--server --socket --json --token-file --help --version'
      ;;
    showtable)
      options='--server --socket --json --token-file --db --help --version'
      ;;
    showopstatus)
      options='--server --socket --json --token-file --db --help --version'
      ;;
    showns)
      options='--server --socket --json --token-file --help --version'
      ;;
    confget)
      options='--server --socket --json --token-file --help --version'
      ;;
    gettablepartition)
      files=(-f)
      options='--server --socket --json --token-file --db --help --version'
      ;;
    shadow)
      words='report'
      options='--server --socket --json --token-file --help --version'
      ;;
    fsm)
      options='--server --socket --json --token-file --help --version'
      ;;
    events)
      options='--server --socket --json --token-file --since --follow --help --version'
      ;;
    confset)
      words='auto_failover true false'
      options='--server --socket --json --token-file --yes --wait --help --version'
      ;;
    takeover)
      options='--server --socket --json --token-file --plan --yes --wait --help --version'
      ;;
    release)
      options='--server --socket --json --token-file --plan --yes --wait --force --help --version'
      ;;
    changeleader)
      words='auto'
      options='--server --socket --json --token-file --db --plan --yes --wait --accept-loss --force --help --version'
      ;;
    offlineendpoint)
      options='--server --socket --json --token-file --plan --yes --wait --help --version'
      ;;
    recoverendpoint)
      words='true false'
      options='--server --socket --json --token-file --plan --yes --wait --help --version'
      ;;
    recovertable)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    migrate)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    addreplica)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    delreplica)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    makesnapshot)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    cancelop)
      options='--server --socket --json --token-file --plan --yes --wait --help --version'
      ;;
    updatetablealive)
      words='yes no'
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    settablepartition)
      files=(-f)
      options='--server --socket --json --token-file --db --plan --yes --wait --help --version'
      ;;
    recoverdata)
      options='--server --socket --json --token-file --plan --yes --help --version'
      ;;
    hold)
      words='add list remove'
      options='--server --socket --json --token-file --db --plan --tablet --table --pid --all --reason --for --by --help --version'
      ;;
  esac
  if [[ $word == -* ]]; then words=$options files=(); fi
  mapfile -t COMPREPLY < <(compgen "${files[@]}" -W "$words" -- "$word")
}
complete -F _failoverctl failoverctl
