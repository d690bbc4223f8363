// transpose(A: i16[3, 5]) -> (B: i16[5, 3])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module transpose (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // A: 15 words of i16, row-major 3 x 5
    output logic               A_ren,
    output logic [3:0]         A_raddr,
    input  logic signed [15:0] A_rdata,

    // B: 15 words of i16, row-major 5 x 3
    output logic               B_wen,
    output logic [3:0]         B_waddr,
    output logic signed [15:0] B_wdata
);
  logic last;  // the stage that holds the last iteration

  // ---------------------------------------------------------------------- the run (designs.py:132)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk or posedge rst) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last) begin
        busy <= 1'b0;
      end
      done <= last;
    end
  end

  // -------------------- loop i, j: 15 iterations, one begins each cycle, 2 stages (designs.py:134)
  localparam logic [1:0] LAST_I = 2'd2;
  localparam logic [2:0] LAST_J = 3'd4;
  logic       i_last;
  logic       j_last;
  logic [4:0] B_addr_sum;
  logic [1:0] i;
  logic [2:0] j;
  logic       run;    // iterations begin
  logic       valid;  // the stages that hold an iteration
  logic [3:0] B_addr_s1;

  assign i_last = i == LAST_I;
  assign j_last = j == LAST_J;
  assign B_addr_sum = 5'({j, 1'b0}) + 5'(j);

  always_ff @(posedge clk or posedge rst) begin
    if (rst) begin
      j <= 3'd0;
      run <= 1'b0;
      last <= 1'b0;
      valid <= 1'b0;
    end else begin
      if (run) j <= j_last ? 3'd0 : j + 3'd1;
      if (accepted) begin
        run <= 1'b1;
      end else if (j_last && i_last) begin
        run <= 1'b0;
      end
      last <= run && j_last && i_last;
      valid <= run;
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      i <= 2'd0;
    end else if (run && j_last) begin
      i <= i + 2'd1;
    end
  end

  always_ff @(posedge clk) B_addr_s1 <= B_addr_sum[3:0] + 4'(i);

  // ----------------------------------------------------------------------------------------- ports
  assign A_raddr = {i, i} + 4'(j);
  assign A_ren = run;
  assign B_waddr = B_addr_s1;
  assign B_wdata = A_rdata;
  assign B_wen = valid;

  // bits that nothing reads
  logic unused;
  assign unused = &{1'b0, B_addr_sum[4]};
endmodule
